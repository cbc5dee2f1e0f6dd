import assert from "node:assert/strict";
import { test } from "node:test";
import { Heartbeats } from "../../../src/core/heartbeats.ts";
import type { Way } from "../../../src/core/statusChannel.ts";
import type { PeerIndex, Root } from "../../../src/domain/keys.ts";
import { HEARTBEAT_MS } from "../../../src/domain/limits.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import type {
  Heartbeat,
  SessionToken,
  SignedHeartbeat,
  StatusFrame,
} from "../../../src/wire/profile.ts";
import { IDENTITY_SIGNATURE_BYTES } from "../../../src/wire/signing.ts";
import { countingMetrics, recordingLogger } from "../../support/quiet.ts";
import { CHAIN, root } from "../../support/slashing.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

const SCOPE = { genesisValidatorsRoot: CHAIN, lockHash: root(9) };
/** Whose signatures are not looked at: each heartbeat here is one that its operator once signed. */
const IDENTITY = {
  self: 0,
  nodes: 4,
  sign: () => new Uint8Array(IDENTITY_SIGNATURE_BYTES),
  verify: () => true,
};
const session = (number: number): SessionToken => `0x${number.toString(16).padStart(32, "0")}`;

/** Node 0, which runs, and what it broadcasts. */
function start() {
  const clock = new VirtualClock(1_700_000_000_000);
  const said: Heartbeat[] = [];
  type Handler = (
    from: PeerIndex,
    frame: { readonly signed: SignedHeartbeat },
    way: Way,
  ) => string | null;
  const handlers: Handler[] = [];
  const heartbeats = new Heartbeats({
    profile: nativeProfile,
    scope: SCOPE,
    clock,
    identity: IDENTITY,
    random: { bytes: (count: number) => new Uint8Array(count).fill(0xee) },
    network: { onPath: () => undefined, path: () => "direct" },
    channel: {
      on: (_kind: string, handler: Handler) => handlers.push(handler),
      broadcast: (frame: StatusFrame & { kind: "heartbeat" }) => said.push(frame.signed.heartbeat),
    },
    logger: recordingLogger(),
    metrics: countingMetrics(),
    version: "test",
    state: () => ({ progress: 100, auditHead: root(1) as Root, isReady: true, asks: [] }),
    signal: new AbortController().signal,
  } as unknown as ConstructorParameters<typeof Heartbeats>[0]);
  heartbeats.start();
  const answered: StatusFrame[] = [];
  const show = (change: Partial<Heartbeat>, author: PeerIndex = 0): void => {
    const own = said[0] ?? assert.fail("it has beaten");
    const heartbeat = { ...own, twin: null, ...change };
    const signer = { ...IDENTITY, self: author };
    const signed = nativeProfile.signHeartbeat(SCOPE, heartbeat, signer);
    const answer = (frame: StatusFrame): void => void answered.push(frame);
    handlers[0]?.(3, { signed }, { answer, isDirect: true });
  };
  return { heartbeats, clock, said, answered, show };
}

test("TWIN-2: old heartbeats that a peer shows are told of once in a beat", async () => {
  const { clock, said, show } = start();
  for (let i = 0; i < 500; i++) show({ session: session(i % 2), number: 1 + i });
  assert.equal(said.length, 2, "the beat, and one at once");
  await clock.runUntil(clock.now() + HEARTBEAT_MS);
  assert.equal(said.at(-1)?.twin, session(1));
});

test("TWIN-2: old heartbeats hide no twin that knows of this session", () => {
  const { heartbeats, said, show } = start();
  const knowing = { session: session(7), twin: heartbeats.session, progress: 50 };
  show({ ...knowing, number: 1 });
  assert.match(heartbeats.twinProblem ?? "", /this one is ahead/);
  show({ session: session(1), number: 9 });
  assert.match(heartbeats.twinProblem ?? "", /this one is ahead/);
  heartbeats.tell();
  assert.equal(said.at(-1)?.twin, session(7), "it is named until it has stopped");
});

test("TWIN-1: sessions that talk without end are introduced a few times a beat", async () => {
  const { clock, answered, show } = start();
  for (let i = 0; i < 500; i++) show({ session: session(i % 2), number: 1 + i }, 3);
  assert(answered.length > 2 && answered.length <= 2 * 8, `${answered.length} answers`);
  await clock.runUntil(clock.now() + HEARTBEAT_MS);
  const before = answered.length;
  for (const i of [0, 1]) show({ session: session(i), number: 1_000 }, 3);
  assert.equal(answered.length, before + 4, "and again with the next beat");
});
