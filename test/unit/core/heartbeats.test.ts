import assert from "node:assert/strict";
import { test } from "node:test";
import { Heartbeats } from "../../../src/core/heartbeats.ts";
import type { StatusChannel, Way } from "../../../src/core/statusChannel.ts";
import type { PeerIndex } from "../../../src/domain/keys.ts";
import type { Network } from "../../../src/ports/network.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import type { SignedHeartbeat, StatusFrame } from "../../../src/wire/profile.ts";
import { testIdentity } from "../../support/identities.ts";
import { loadMutant } from "../../support/mutant.ts";
import { countingMetrics, recordingLogger } from "../../support/quiet.ts";
import { VirtualClock } from "../../support/virtualClock.ts";
import { filledRoot, heartbeatOf } from "../../support/wireFrames.ts";

type Module = typeof import("../../../src/core/heartbeats.ts");
type Hear = (from: PeerIndex, frame: { readonly signed: SignedHeartbeat }, way: Way) => unknown;

const SCOPE = { genesisValidatorsRoot: filledRoot(1), lockHash: filledRoot(2) };
const LIAR: PeerIndex = 3;

/** How often node 0 speaks while a peer shows it, in turn, two of its own former lives. */
function saidWhileReplayed(times: number, { Heartbeats: Beats }: Pick<Module, "Heartbeats">) {
  const identity = testIdentity(0, 4);
  const clock = new VirtualClock(1_000_000);
  const stopping = new AbortController();
  const said: StatusFrame[] = [];
  let hear: Hear = () => assert.fail("nobody listens");
  const channel: Pick<StatusChannel, "on" | "broadcast"> = {
    on: (_kind, handler) => {
      hear = handler as unknown as Hear;
    },
    broadcast: (frame) => void said.push(frame),
  };
  const network: Pick<Network, "onPath" | "path"> = {
    onPath: () => undefined,
    path: () => "direct",
  };
  const beats = new Beats({
    profile: nativeProfile,
    scope: SCOPE,
    channel: channel as StatusChannel,
    clock,
    random: { bytes: (length) => new Uint8Array(length).fill(9) },
    identity,
    network: network as Network,
    logger: recordingLogger(),
    metrics: countingMetrics(),
    version: "1",
    state: () => ({ progress: 0, auditHead: filledRoot(3), isReady: true, asks: [] }),
    signal: stopping.signal,
  });
  beats.start();
  const former = [1, 2].map((life) => {
    const session = `0x${String(life).repeat(32)}` as const;
    return nativeProfile.signHeartbeat(SCOPE, heartbeatOf({ session, number: 5 }), identity);
  });
  for (let i = 0; i < times; i++) {
    const signed = former[i % 2] ?? assert.fail("there are two");
    hear(LIAR, { signed }, { answer: () => undefined, isDirect: true });
  }
  stopping.abort();
  return said.length;
}

test("TWIN-1: whoever replays two former lives does not have a node speak all the time", () => {
  // At the start, when it first hears of another session, and at the end.
  assert.equal(saidWhileReplayed(50, { Heartbeats }), 3);
});

test("TWIN-1: mutant: each replayed heartbeat is answered with one to everybody", async () => {
  const mutant = await loadMutant<Module>("src/core/heartbeats.ts", [
    {
      find: "if (known === undefined) this.tell();",
      replace: "if (known?.session !== heartbeat.session) this.tell();",
    },
  ]);
  assert.equal(saidWhileReplayed(50, mutant), 52);
});
