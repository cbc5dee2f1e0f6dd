/**
 * A key ceremony from the lobby to the confirmed outputs (LOBBY-2 to LOBBY-5, JOURNAL-1, OUT-2): it
 * drives the pure machine over the ports. One thing happens at a time, in the order of arrival, so
 * that what a record promises is on disk before the next frame is looked at.
 */
import type { VerifiedLock } from "../cluster/verify.ts";
import { ERRORS, type RejectionReason, UsageError } from "../domain/errors.ts";
import type { PeerIndex } from "../domain/keys.ts";
import type { Millis } from "../domain/units.ts";
import type { CeremonyChannel, Inbound } from "../ports/network.ts";
import { CEREMONY_PROTOCOL, type CeremonyPhase, decodeCeremonyFrame } from "../wire/ceremony.ts";
import { Ceremony } from "./ceremony.ts";
import type { CeremonyEnd, CeremonyPorts, CeremonyRun } from "./ceremonyRun.ts";
import { operatorsText } from "./ending.ts";
import { ceremonyFacts } from "./facts.ts";
import { encodeJournalEntry, readJournalEntry, SEED_BYTES } from "./journal.ts";
import { finishedElsewhere, Lobby } from "./lobby.ts";
import type {
  CeremonyAbort,
  CeremonyEffect,
  CeremonyEvent,
  CeremonyOutcome,
  JournalEntry,
} from "./messages.ts";
import { outputFiles } from "./outputs.ts";
import { attemptsWithShares } from "./storage.ts";
import { writeTranscript } from "./transcript.ts";

const HELLO_MS: Millis = 2_000;
const NUDGE_MS: Millis = 5_000;
/** What a frame on its way may take when everything was said. */
const FAREWELL_MS: Millis = 1_000;
/** How long a proof may take after the news that its author left. */
const PROOF_MS: Millis = 2_000;
const GIVEN_UP = "the other operators went on to another attempt";
const SILENT_END = { culprit: null, blame: null, missing: [], groupKeys: [], keepsShares: false };

/** Resolves when the ceremony is over; rejects with `signal.reason` when the signal aborts. */
export function runCeremony(
  run: CeremonyRun,
  ports: CeremonyPorts,
  signal: AbortSignal,
): Promise<CeremonyEnd> {
  return new Runner(run, ports).run(signal);
}

type TimerName = "hello" | "nudge" | "phase" | "linger";

class Runner {
  readonly #run: CeremonyRun;
  readonly #ports: CeremonyPorts;
  readonly #lobby: Lobby;
  readonly #over = Promise.withResolvers<CeremonyEnd>();
  readonly #timers = new Map<TimerName, AbortController>();
  #tasks: Promise<void> = Promise.resolve();
  #isOver = false;
  #machine: Ceremony | null = null;
  #phase: CeremonyPhase = "agree";
  /** Whether a record was written since the last nudge. */
  #isMoving = false;
  #lock: VerifiedLock | null = null;
  /** When this node first heard that others left its attempt. */
  #leftAt: Millis | null = null;

  constructor(run: CeremonyRun, ports: CeremonyPorts) {
    this.#run = run;
    this.#ports = ports;
    const { definition, self, version } = run;
    const now = ports.clock.now();
    this.#lobby = new Lobby({ definition, self, version, protocol: CEREMONY_PROTOCOL, now });
  }

  async run(signal: AbortSignal): Promise<CeremonyEnd> {
    const { network, storage } = this.#ports;
    const onAbort = (): void => this.#over.reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    this.#lobby.standing = {
      ended: Math.max(0, ...storage.ended().map(({ attempt }) => attempt)),
      current: storage.current(),
      state: "waiting",
      heard: new Set(),
    };
    network.onPath((peer) => this.#enqueue(() => this.#onPath(peer)));
    network.onFrame("lobby", (frame) => this.#enqueue(() => this.#onHello(frame)));
    network.onFrame("ceremony", (frame) => this.#enqueue(() => this.#onFrame(frame)));
    this.#enqueue(async () => {
      for (const peer of this.#lobby.peers()) await this.#onPath(peer);
      this.#repeat("hello", HELLO_MS, () => this.#greet());
      this.#repeat("nudge", NUDGE_MS, () => this.#nudge());
      if (storage.current() > 0) await this.#enter(storage.current());
    });
    try {
      const end = await this.#over.promise;
      this.#isOver = true;
      if (end.kind === "aborted") await this.#ports.clock.sleep(FAREWELL_MS, signal);
      return end;
    } finally {
      this.#isOver = true;
      signal.removeEventListener("abort", onAbort);
      for (const timer of this.#timers.values()) timer.abort();
      await this.#tasks;
      await storage.close();
    }
  }

  /** What fails here ends the ceremony's run: its journal is whole, and the next run goes on. */
  #enqueue(task: () => Promise<void>): void {
    this.#tasks = this.#tasks.then(async () => {
      if (this.#isOver) return;
      try {
        await task();
      } catch (error) {
        this.#over.reject(error);
        this.#isOver = true;
      }
    });
  }

  #repeat(name: "hello" | "nudge", everyMs: Millis, task: () => Promise<void>): void {
    this.#after(name, everyMs, async () => {
      await task();
      this.#repeat(name, everyMs, task);
    });
  }

  /** Slept, not waited until: an operator who sets his clock ends nobody's phase (LOBBY-5). */
  #after(name: TimerName, delayMs: Millis, task: () => Promise<void>): void {
    this.#timers.get(name)?.abort();
    const timer = new AbortController();
    this.#timers.set(name, timer);
    void this.#ports.clock.sleep(delayMs, timer.signal).then(
      () => this.#enqueue(task),
      () => undefined,
    );
  }

  async #onPath(peer: PeerIndex): Promise<void> {
    const { clock, network } = this.#ports;
    const path = network.path(peer);
    this.#lobby.setPath(peer, path, clock.now());
    if (path !== "none") {
      this.#greetOne(peer);
      await this.#step({ kind: "connected", peer });
    }
    this.#showLobby();
  }

  async #onHello({ from, bytes }: Inbound<CeremonyChannel>): Promise<void> {
    const { clock } = this.#ports;
    const wasIn = this.#lobby.isComplete;
    const hello = this.#lobby.receive(from, bytes, clock.now());
    if (!hello.ok) return this.#reject(from, hello.error);
    // A peer that heard nothing of us yet is answered at once, so that nobody waits for a beat.
    if (hello.value.echo === null || this.#lobby.isComplete !== wasIn) this.#greetOne(from);
    this.#showLobby();
    await this.#consider();
  }

  async #onFrame({ from, bytes }: Inbound<CeremonyChannel>): Promise<void> {
    await this.#step({ kind: "receive", from, frame: bytes });
  }

  async #greet(): Promise<void> {
    for (const peer of this.#lobby.peers()) this.#greetOne(peer);
    this.#showLobby();
    await this.#consider();
  }

  #greetOne(peer: PeerIndex): void {
    const { clock, network } = this.#ports;
    if (network.path(peer) === "none") return;
    network.send(peer, "lobby", this.#lobby.helloFor(peer, clock.now()));
  }

  /** Where something new came since the last time, what is missing may be on its way too. */
  async #nudge(): Promise<void> {
    const isMoving = this.#isMoving;
    this.#isMoving = false;
    if (!isMoving) await this.#step({ kind: "nudge" });
  }

  #showLobby(): void {
    this.#ports.report({ kind: "lobby", seats: this.#lobby.seats() });
  }

  /** LOBBY-3: which attempt it is, and whether it can begin. */
  async #consider(): Promise<void> {
    const { standing } = this.#lobby;
    if (this.#lock !== null) return this.#considerFarewell();
    const finished = this.#lobby.finished(attemptsWithShares(this.#ports.storage));
    if (finished > 0 && finished !== standing.current) return this.#reopen(finished);
    const attempt = finished > 0 ? finished : this.#lobby.attempt();
    const isLeft = standing.current > 0 && attempt > standing.current;
    if (isLeft && this.#hasWaitedForProof()) await this.#giveUp(attempt);
    if (this.#machine !== null || !this.#lobby.isComplete) return;
    await this.#enter(attempt);
  }

  /** LOBBY-4: a cluster that exists for one operator is completed, not made anew. */
  async #reopen(attempt: number): Promise<void> {
    const { storage } = this.#ports;
    const isHere = attemptsWithShares(storage).has(attempt);
    if (isHere && storage.current() > 0) await this.#giveUp(Number.POSITIVE_INFINITY);
    if (!isHere || !(await storage.reopen(attempt))) {
      throw finishedElsewhere(attempt, this.#lobby.done(attempt));
    }
    await this.#enter(attempt);
  }

  async #enter(attempt: number): Promise<void> {
    const { random, storage, report } = this.#ports;
    const { maxAttempt, definition, self, version, contractWallets } = this.#run;
    const isResumed = storage.current() === attempt;
    if (attempt > maxAttempt && !isResumed) await this.#refuse(attempt);
    const facts = ceremonyFacts(definition, attempt, contractWallets);
    if (!facts.ok) throw new UsageError(`${facts.error.path} ${facts.error.reason}`);
    const records = await storage.open(attempt);
    const entries = records.map(readJournalEntry);
    this.#lobby.standing = {
      ...this.#lobby.standing,
      current: attempt,
      state: "running",
      heard: new Set(entries.flatMap((entry) => this.#authorOf(entry))),
    };
    report({ kind: "attempt", attempt, isResumed });
    const sign = (digest: Uint8Array): Uint8Array => this.#ports.identity.sign(digest);
    this.#machine = new Ceremony({ facts: facts.value, self, version, sign });
    if (entries.length === 0) {
      await this.#step({ kind: "entropy", seed: random.bytes(SEED_BYTES) });
    } else {
      const effects = this.#machine.resume(entries);
      const aborted = entries.find((entry) => entry.kind === "aborted");
      // A crash came between the journal's last word and its end.
      if (aborted !== undefined)
        return this.#end({ ...SILENT_END, ...aborted, phase: this.#phase });
      await this.#perform(effects);
    }
    for (const peer of this.#lobby.peers()) {
      this.#greetOne(peer);
      if (this.#ports.network.path(peer) !== "none") await this.#step({ kind: "connected", peer });
    }
  }

  /** What others remember and this disk does not is kept: the next acceptance counts from it. */
  async #refuse(attempt: number): Promise<never> {
    const { attempt: last, peers } = this.#lobby.remembered();
    const { ended } = this.#lobby.standing;
    let known = "";
    if (last > ended) {
      const verb = peers.length === 1 ? "remembers" : "remember";
      known = `: ${operatorsText(peers)} ${verb} ${last}, this node ${ended}`;
      const reason = `${operatorsText(peers)} ${verb} it`;
      const row = { ...SILENT_END, attempt: last, phase: this.#phase, reason };
      await this.#ports.storage.end(row, null);
    }
    throw new UsageError(`attempt ${attempt} needs this operator's acceptance again${known}`, {
      fix: "find out why the attempts before failed, then run coterie dkg accept once more",
    });
  }

  async #step(event: CeremonyEvent): Promise<void> {
    if (this.#machine !== null) await this.#perform(this.#machine.step(event));
  }

  async #perform(effects: readonly CeremonyEffect[]): Promise<void> {
    for (const effect of effects) await this.#performOne(effect);
  }

  async #performOne(effect: CeremonyEffect): Promise<void> {
    const { network, storage, report } = this.#ports;
    switch (effect.kind) {
      case "persist":
        await storage.append(encodeJournalEntry(effect.entry));
        this.#isMoving = true;
        return this.#remember(effect.entry);
      case "send":
        network.send(effect.peer, "ceremony", effect.frame);
        return;
      case "broadcast":
        for (const peer of this.#lobby.peers()) network.send(peer, "ceremony", effect.frame);
        return;
      case "storeShares":
        return this.#step({
          kind: "sharesStored",
          secrets: await storage.storeShares(effect.shares),
        });
      case "setTimer":
        this.#phase = effect.phase;
        return this.#after("phase", this.#run.phaseTimeoutMs(effect.phase), () =>
          this.#step({ kind: "deadline", phase: effect.phase }),
        );
      case "progress":
        report({ kind: "progress", progress: effect.progress });
        return;
      case "reject":
        return this.#reject(effect.from, effect.reason);
      case "abort":
        return this.#end(effect.abort);
      case "finish":
        return this.#finish(effect.outcome);
    }
  }

  #reject(from: PeerIndex, { code, detail }: RejectionReason): void {
    this.#ports.report({ kind: "rejected", from, code, detail: detail ?? "" });
    if (ERRORS[code].penalty === "reject") this.#ports.network.penalise(from, code);
  }

  #remember(entry: JournalEntry): void {
    const { standing } = this.#lobby;
    const authors = this.#authorOf(entry);
    if (authors.every((author) => standing.heard.has(author))) return;
    this.#lobby.standing = { ...standing, heard: new Set([...standing.heard, ...authors]) };
  }

  #authorOf(entry: JournalEntry): readonly PeerIndex[] {
    if (entry.kind !== "frame") return [];
    const frame = decodeCeremonyFrame(entry.frame, this.#run.definition.operators.length);
    if (!frame.ok || frame.value.content.kind !== "message") return [];
    return [frame.value.content.message.author];
  }

  /** The others gave the attempt up, or went on to a later one. */
  async #giveUp(next: number): Promise<void> {
    await this.#step({ kind: "deadline", phase: this.#phase });
    const { current } = this.#lobby.standing;
    if (current === 0 || current >= next) return;
    this.#dropMachine();
    // Its shares are kept, for somebody may hold what completes them.
    await this.#close({ ...SILENT_END, reason: GIVEN_UP, phase: this.#phase, keepsShares: true });
  }

  /** That others left may arrive before what they accuse somebody of: this node hears that too. */
  #hasWaitedForProof(): boolean {
    const now = this.#ports.clock.monotonic();
    if (this.#machine === null) return true;
    this.#leftAt ??= now;
    return now - this.#leftAt >= PROOF_MS;
  }

  #dropMachine(): void {
    this.#timers.get("phase")?.abort();
    this.#machine?.erase();
    this.#machine = null;
    this.#leftAt = null;
  }

  /** JOURNAL-4: where shares are to be kept, the attempt waits for all to come back. */
  async #end(abort: CeremonyAbort): Promise<void> {
    this.#dropMachine();
    const { current: attempt } = this.#lobby.standing;
    if (abort.culprit !== null || !abort.keepsShares) await this.#close(abort);
    else this.#lobby.standing = { ...this.#lobby.standing, state: "waiting" };
    this.#ports.report({ kind: "ended", attempt, abort });
    if (abort.culprit !== null) this.#over.resolve({ kind: "aborted", abort });
    for (const peer of this.#lobby.peers()) this.#greetOne(peer);
  }

  async #close({ blame, ...ended }: CeremonyAbort): Promise<void> {
    const attempt = this.#lobby.standing.current;
    await this.#ports.storage.end({ ...ended, attempt }, blame);
    this.#lobby.standing = { ended: attempt, current: 0, state: "waiting", heard: new Set() };
  }

  async #finish(outcome: CeremonyOutcome): Promise<void> {
    const { storage, report } = this.#ports;
    const { lock, deposits, transcript } = outcome;
    this.#timers.get("phase")?.abort();
    await storage.publish(outputFiles({ lock, deposits, transcript: writeTranscript(transcript) }));
    this.#lock = lock;
    this.#lobby.standing = { ...this.#lobby.standing, state: "done" };
    report({ kind: "published", lock });
    for (const peer of this.#lobby.peers()) this.#greetOne(peer);
    this.#after("linger", this.#run.lingerMs, async () => {
      this.#over.resolve({ kind: "unconfirmed", lock, missing: this.#unconfirmed() });
    });
    await this.#considerFarewell();
  }

  /** OUT-4: the journal goes once nobody can need it any more. */
  async #considerFarewell(): Promise<void> {
    const lock = this.#lock;
    const { current } = this.#lobby.standing;
    if (lock === null || current === 0) return;
    const missing = this.#unconfirmed();
    const confirmed = this.#lobby.peers().filter((peer) => !missing.includes(peer));
    this.#ports.report({ kind: "confirmed", peers: confirmed });
    if (missing.length > 0) return;
    await this.#ports.storage.erase();
    this.#machine?.erase();
    for (const peer of this.#lobby.peers()) this.#greetOne(peer);
    this.#lobby.standing = { ...this.#lobby.standing, current: 0 };
    this.#after("linger", FAREWELL_MS, async () => this.#over.resolve({ kind: "finished", lock }));
  }

  #unconfirmed(): readonly PeerIndex[] {
    const done = this.#lobby.done(this.#lobby.standing.current);
    return this.#lobby.peers().filter((peer) => !done.includes(peer));
  }
}
