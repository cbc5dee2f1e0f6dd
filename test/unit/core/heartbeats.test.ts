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

/**
 * What node 0 says and warns of while a peer shows it, in turn, heartbeats of two sessions of one
 * identity: of its own former lives, or of the peer's making.
 */
async function shownInTurn(
  times: number,
  author: PeerIndex,
  { Heartbeats: Beats }: Pick<Module, "Heartbeats"> = { Heartbeats },
) {
  const identity = testIdentity(0, 4);
  const logger = recordingLogger();
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
    logger,
    metrics: countingMetrics(),
    version: "1",
    state: () => ({ progress: 0, auditHead: filledRoot(3), isReady: true, asks: [] }),
    signal: stopping.signal,
  });
  beats.start();
  for (let i = 0; i < times; i++) {
    const session = `0x${String(1 + (i % 2)).repeat(32)}` as const;
    // Numbers of a former life are what they were.
    const number = author === 0 ? 5 : 1 + i;
    const heartbeat = heartbeatOf({ session, number });
    const signed = nativeProfile.signHeartbeat(SCOPE, heartbeat, testIdentity(author, 4));
    await clock.runUntil(clock.now() + 10);
    hear(LIAR, { signed }, { answer: () => undefined, isDirect: true });
  }
  stopping.abort();
  return { said: said.length, warned: logger.lines.filter(({ level }) => level === "warn").length };
}

test("TWIN-1: whoever replays two former lives has a node speak once", async () => {
  // At the start, when it first hears of another session, and at the end.
  assert.equal((await shownInTurn(50, 0)).said, 3);
});

test("TWIN-1: mutant: each replayed heartbeat is answered with one to everybody", async () => {
  const mutant = await loadMutant<Module>("src/core/heartbeats.ts", [
    {
      find: "if (now - this.#toldAt < HEARTBEAT_MS) return;",
      replace: "",
    },
  ]);
  assert.equal((await shownInTurn(50, 0, mutant)).said, 52);
});

test("TWIN-1: whoever names two sessions of its own does not fill the log", async () => {
  assert.equal((await shownInTurn(50, LIAR)).warned, 1);
});

test("TWIN-1: mutant: each heartbeat of them is a line", async () => {
  const mutant = await loadMutant<Module>("src/core/heartbeats.ts", [
    { find: "this.#warnedAt.set(author, now);", replace: "" },
  ]);
  assert.ok((await shownInTurn(50, LIAR, mutant)).warned > 40);
});
