import type { phase0 } from "@lodestar/types";
import type { DevChain } from "../chain.ts";
import type { ChainNode } from "../chainTypes.ts";
import { type FaultInjector, falsifyAttestationData } from "../faults.ts";

/** The chain as one listener shows it: its own head, its own lies. */
export class NodeView {
  readonly chain: DevChain;
  readonly injector: FaultInjector;

  constructor(chain: DevChain, injector: FaultInjector) {
    this.chain = chain;
    this.injector = injector;
  }

  get head(): ChainNode {
    let node = this.chain.head;
    for (let left = this.injector.faults.staleHeadBlocks; left > 0 && node.parent; left--) {
      node = node.parent;
    }
    return node;
  }

  attestationData(slot: number): phase0.AttestationData {
    const { head } = this;
    const honest = this.chain.attestationData(slot, head);
    const { attestationLie } = this.injector.faults;
    if (!attestationLie) return honest;
    return falsifyAttestationData(attestationLie, honest, head.parent?.root ?? head.root);
  }
}
