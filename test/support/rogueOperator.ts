/**
 * An operator of a live cluster that runs no node: it gets in with its real identity key and says
 * whatever a test wants said. What its peers say to it is kept.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { peerIdOf } from "../../src/adapters/p2p/identity.ts";
import { createLibp2pNetwork, type Libp2pNetwork } from "../../src/adapters/p2p/libp2pNetwork.ts";
import { clusterScope } from "../../src/adapters/p2p/scope.ts";
import { systemClock } from "../../src/adapters/system/clock.ts";
import { type DataDir, readDataDir } from "../../src/cli/dataDir.ts";
import type { Duty } from "../../src/domain/duty.ts";
import type { PeerIndex, Root } from "../../src/domain/keys.ts";
import { CHANNELS, type Inbound, type Network } from "../../src/ports/network.ts";
import type { Message, Statement } from "../../src/qbft/messages.ts";
import { nativeProfile } from "../../src/wire/nativeProfile.ts";
import type { Scope } from "../../src/wire/profile.ts";
import type { LiveCluster } from "./liveCluster.ts";
import { countingMetrics, recordingLogger } from "./quiet.ts";

/** Frames kept of what the peers say; each slot brings some thirty. */
const MAX_HEARD = 10_000;

export class RogueOperator {
  readonly heard: Inbound[] = [];
  readonly scope: Scope;
  readonly #dataDir: DataDir;
  readonly #p2p: Libp2pNetwork;

  private constructor(dataDir: DataDir, p2p: Libp2pNetwork, scope: Scope) {
    this.#dataDir = dataDir;
    this.#p2p = p2p;
    this.scope = scope;
    for (const channel of CHANNELS) {
      p2p.network.onFrame(channel, (frame) => {
        if (this.heard.length < MAX_HEARD) this.heard.push(frame);
      });
    }
  }

  /** Takes the place of node `index`, which must not run. */
  static async join(live: LiveCluster, index: PeerIndex): Promise<RogueOperator> {
    const { dataDir: folder } = live.node(index);
    const dataDir = await readDataDir({
      dataDir: folder,
      lockFile: join(folder, "cluster-lock.json"),
      privateKeyFile: null,
      validatorKeysDir: join(folder, "validator_keys"),
      contractWallets: new Set(),
    });
    const { cluster, identity, secretKey } = dataDir;
    const p2p = await createLibp2pNetwork({
      secretKey,
      self: identity.self,
      peers: cluster.operators
        .filter(({ peerIndex }) => peerIndex !== index)
        .map(({ peerIndex, publicKey }) => ({
          index: peerIndex,
          publicKey,
          addresses: [`/ip4/127.0.0.1/tcp/${live.p2pPorts[peerIndex]}`],
        })),
      listen: [`/ip4/127.0.0.1/tcp/${live.p2pPorts[index]}`],
      scope: clusterScope(cluster.lockHash),
      validateGossip: () => "accept",
      clock: systemClock,
      logger: recordingLogger(),
      metrics: countingMetrics(),
    });
    const genesisValidatorsRoot = (await live.chain.genesisValidatorsRoot()) as Root;
    const { lockHash } = cluster;
    const rogue = new RogueOperator(dataDir, p2p, { genesisValidatorsRoot, lockHash });
    await p2p.start();
    return rogue;
  }

  get network(): Network {
    return this.#p2p.network;
  }

  get self(): PeerIndex {
    return this.#dataDir.identity.self;
  }

  /** Libp2p's name of another operator. */
  peerIdOf(peer: PeerIndex): string {
    const operator = this.#dataDir.cluster.operators[peer];
    assert(operator !== undefined, `the lock has an operator ${peer}`);
    return peerIdOf(operator.publicKey).toString();
  }

  get validators(): number {
    return this.#dataDir.cluster.validators.length;
  }

  /** The statement, signed by this operator in `scope`, whoever it claims to be of. */
  say(
    duty: Duty,
    statement: Statement,
    { scope = this.scope, source = this.self } = {},
  ): Uint8Array {
    const authored = { ...statement, source };
    const digest = nativeProfile.statementDigest(scope, duty, authored);
    const signature = this.#dataDir.identity.sign(digest);
    return this.frame(duty, { ...authored, signature, justification: [] });
  }

  frame(duty: Duty, message: Message, value: Uint8Array | null = null): Uint8Array {
    return nativeProfile.encodeConsensus({ kind: "message", duty, message, value });
  }

  /** A gossip envelope of this operator, signed in `scope`. */
  seal(scope: Scope): Uint8Array {
    const { identity } = this.#dataDir;
    const payload = new Uint8Array(100);
    return nativeProfile.sealGossip(scope, { channel: "consensus", payload }, identity);
  }

  /** Consensus messages of one peer, as it sent them. */
  messagesOf(peer: PeerIndex): readonly { readonly duty: Duty; readonly message: Message }[] {
    return this.heard.flatMap(({ from, channel, via, bytes }) => {
      if (from !== peer || channel !== "consensus" || via !== "direct") return [];
      const decoded = nativeProfile.decodeConsensus(bytes);
      if (!decoded.ok || decoded.value.kind !== "message") return [];
      const { duty, message } = decoded.value;
      return message.source === peer ? [{ duty, message }] : [];
    });
  }

  close(): Promise<void> {
    return this.#p2p.stop();
  }
}
