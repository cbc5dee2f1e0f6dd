import "../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { phase0 } from "@lodestar/types";
import type { SlashableOffence } from "../../sim/devchain/slashingWatcher.ts";
import {
  copyBlock,
  firstSeat,
  resign,
  signedAggregate,
  signedBlock,
  singleAttestation,
} from "../support/devchainMessages.ts";
import { loadMutant, type Patch } from "../support/mutant.ts";
import { send, startVirtualDevchain, type VirtualDevchain } from "../support/virtualDevchain.ts";

const OTHER_ROOT = new Uint8Array(32).fill(7);

describe("slashing watcher of the dev chain", () => {
  let devchain: VirtualDevchain;
  beforeEach(async () => {
    devchain = await startVirtualDevchain({ fork: "fulu" });
    devchain.enterSlot(1);
    devchain.validators.propose(1);
  });
  afterEach(() => devchain.stop());

  const vote = (change: Partial<phase0.AttestationData> = {}) => {
    const seat = firstSeat(devchain);
    const data = { ...devchain.chain.attestationData(seat.slot), ...change };
    const [rejection] = devchain.chain.attestations.add([
      singleAttestation(devchain, { seat, data }),
    ]);
    return { seat, rejection: rejection?.message ?? null };
  };
  const kinds = (): SlashableOffence["kind"][] => devchain.slashings().map(({ kind }) => kind);

  it("sees nothing in a vote that is sent twice", () => {
    vote();
    vote();
    assert.deepEqual(kinds(), []);
  });

  it("flags a double vote in the pool", () => {
    const { seat } = vote();
    vote({ beaconBlockRoot: devchain.chain.blocks.genesis.root });
    const [offence] = devchain.slashings();
    assert.equal(devchain.slashings().length, 1);
    assert.equal(offence?.kind, "doubleVote");
    assert.equal(offence?.validatorIndex, seat.validatorIndex);
  });

  it("flags a double vote of which the chain refused one half", () => {
    const { target } = devchain.chain.attestationData(1);
    vote();
    const { rejection } = vote({ target: { ...target, root: OTHER_ROOT } });
    assert.match(rejection ?? "", /target/);
    assert.deepEqual(kinds(), ["doubleVote"]);
  });

  it("flags a surround vote, whichever half comes first", () => {
    const outer = {
      source: { epoch: 0, root: OTHER_ROOT },
      target: { epoch: 5, root: OTHER_ROOT },
    };
    const inner = {
      source: { epoch: 2, root: OTHER_ROOT },
      target: { epoch: 3, root: OTHER_ROOT },
    };
    vote(outer);
    vote(inner);
    assert.deepEqual(kinds(), ["surroundVote"]);
    const second = [...kinds()];
    devchain.enterSlot(2);
    vote(inner);
    vote(outer);
    assert.deepEqual(kinds(), [...second, "surroundVote"]);
  });

  it("does not take adjacent votes for a surround", () => {
    vote({ source: { epoch: 0, root: OTHER_ROOT }, target: { epoch: 3, root: OTHER_ROOT } });
    vote({ source: { epoch: 3, root: OTHER_ROOT }, target: { epoch: 4, root: OTHER_ROOT } });
    vote({ source: { epoch: 3, root: OTHER_ROOT }, target: { epoch: 5, root: OTHER_ROOT } });
    assert.deepEqual(kinds(), []);
  });

  it("ignores a conflicting vote that somebody else signed", () => {
    const { seat } = vote();
    const data = {
      ...devchain.chain.attestationData(1),
      beaconBlockRoot: devchain.chain.blocks.genesis.root,
    };
    const forged = singleAttestation(devchain, { seat, data, signer: seat.validatorIndex + 1 });
    const [rejection] = devchain.chain.attestations.add([forged]);
    assert.match(rejection?.message ?? "", /signature/);
    assert.deepEqual(kinds(), []);
  });

  it("reads votes out of aggregates and out of blocks", () => {
    const { chain } = devchain;
    const { seat } = vote();
    const data = chain.attestationData(1);
    chain.attestations.addAggregate(signedAggregate(devchain, { seat, data }));
    assert.equal(chain.watcher.votesOf(seat.validatorIndex).length, 1);
    devchain.enterSlot(2);
    const block = signedBlock(devchain);
    assert.equal(block.message.body.attestations.length, 1);
    chain.importBlock(block);
    // The same vote three ways is still one vote.
    assert.equal(chain.watcher.votesOf(seat.validatorIndex).length, 1);
    assert.deepEqual(kinds(), []);
  });

  it("flags a second proposal for a slot although the chain refuses it", async () => {
    const { chain } = devchain;
    devchain.enterSlot(2);
    const block = signedBlock(devchain);
    const other = copyBlock(devchain, block);
    other.message.body.graffiti = OTHER_ROOT;
    chain.importBlock(block);
    assert.throws(() => chain.importBlock(resign(devchain, other.message)), /head/);
    const { body } = await send(`${devchain.controlUrl}/dev/slashings`);
    assert.deepEqual(kinds(), ["doubleProposal"]);
    assert.deepEqual(body, JSON.parse(JSON.stringify(devchain.slashings())));
  });
});

describe("the watcher's tests notice when it is", () => {
  const WATCHER = "sim/devchain/slashingWatcher.ts";
  const WITNESS = "test/support/virtualDevchain.ts";
  type Harness = typeof import("../support/virtualDevchain.ts");

  const offencesWithout = async (patches: readonly Patch[]): Promise<number> => {
    const { startVirtualDevchain: start } = await loadMutant<Harness>(WITNESS, patches);
    const devchain = await start({ fork: "fulu" });
    try {
      devchain.enterSlot(1);
      const seat = firstSeat(devchain);
      const honest = devchain.chain.attestationData(1);
      const epochs = (source: number, target: number) => ({
        ...honest,
        source: { epoch: source, root: OTHER_ROOT },
        target: { epoch: target, root: OTHER_ROOT },
      });
      // A double vote with the first, a surround of the second; the chain refuses all but one.
      const votes = [honest, epochs(0, 0), epochs(1, 2), epochs(0, 3)];
      devchain.chain.attestations.add(
        votes.map((data) => singleAttestation(devchain, { seat, data })),
      );
      return devchain.slashings().length;
    } finally {
      await devchain.stop();
    }
  };

  it("whole", async () => {
    assert.equal(await offencesWithout([]), 2);
  });

  it("blind to double votes", async () => {
    const find = 'if (a.targetEpoch === b.targetEpoch) return "doubleVote";';
    assert.equal(await offencesWithout([{ file: WATCHER, find, replace: "" }]), 1);
  });

  it("blind to surround votes", async () => {
    const find = 'return surrounds(a, b) || surrounds(b, a) ? "surroundVote" : null;';
    assert.equal(await offencesWithout([{ file: WATCHER, find, replace: "return null;" }]), 1);
  });

  it("told only of votes the chain takes", async () => {
    const find = "this.#chain.watcher.noteVote([attesterIndex], data);";
    const file = "sim/devchain/attestationPool.ts";
    assert.equal(await offencesWithout([{ file, find, replace: "" }]), 0);
  });
});
