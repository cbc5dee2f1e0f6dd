/** Reads what travels between the nodes, for the trace and the checkers. */
import type { PartialSignatureSet } from "../src/domain/data.ts";
import { dutyId } from "../src/domain/duty.ts";
import { type Root, shareIndexOf } from "../src/domain/keys.ts";
import { nativeProfile } from "../src/wire/nativeProfile.ts";
import type { ConsensusFrame, GossipFrame, Profile, Scope } from "../src/wire/profile.ts";
import type { Hop } from "./networkEnd.ts";
import { type FrameSummary, shortRoot } from "./trace.ts";

export type ReadFrame = {
  /** Made when it is first asked for. */
  readonly summary: () => FrameSummary;
  /** What a share signed, where the frame says so; whoever forwards it released nothing. */
  readonly partials: PartialSignatureSet | null;
};

type OpenGossip = (bytes: Uint8Array) => Pick<GossipFrame, "author" | "payload"> | null;

export class FrameReader {
  /** A broadcast hands the same bytes to every peer. */
  readonly #read = new WeakMap<Uint8Array, ReadFrame>();
  readonly #profile: Pick<Profile, "decodeConsensus" | "decodePartials">;
  readonly #openGossip: OpenGossip;

  constructor(
    profile: Pick<Profile, "decodeConsensus" | "decodePartials">,
    openGossip: OpenGossip,
  ) {
    this.#profile = profile;
    this.#openGossip = openGossip;
  }

  read(hop: Hop): ReadFrame {
    let read = this.#read.get(hop.bytes);
    if (read === undefined) {
      read = this.#decode(hop);
      this.#read.set(hop.bytes, read);
    }
    return read;
  }

  #decode({ channel, via, from, bytes }: Hop): ReadFrame {
    const other = (): FrameSummary => ({ type: "other", channel, bytes: bytes.length });
    const opened = via === "gossip" ? this.#openGossip(bytes) : { author: from, payload: bytes };
    if (opened === null) return { summary: once(other), partials: null };
    const { author, payload } = opened;
    if (channel === "consensus") {
      const summary = (): FrameSummary => {
        const decoded = this.#profile.decodeConsensus(payload);
        return decoded.ok ? consensusSummary(decoded.value) : other();
      };
      return { summary: once(summary), partials: null };
    }
    if (channel === "partials") {
      const decoded = this.#profile.decodePartials(payload, shareIndexOf(author));
      if (decoded.ok) {
        const { value } = decoded;
        return { summary: once(() => partialsSummary(value)), partials: value };
      }
    }
    return { summary: once(other), partials: null };
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** What is in a gossip envelope, and who it says has sealed it. */
export function gossipOpener(scope: Scope, nodes: number): OpenGossip {
  const anybody = { self: 0, nodes, sign: () => new Uint8Array(65), verify: () => true };
  return (bytes) => {
    const opened = nativeProfile.openGossip(scope, bytes, anybody);
    return opened.ok ? opened.value : null;
  };
}

function consensusSummary(frame: ConsensusFrame): FrameSummary {
  const duty = dutyId(frame.duty);
  if (frame.kind === "decision") return { type: "decision", duty };
  if (frame.kind === "pull") return { type: "pull", duty, value: shortRoot(frame.value) };
  if (frame.kind === "value") {
    return { type: "value", duty, value: shortRoot(nativeProfile.valueRoot(frame.value)) };
  }
  const { type, source, round, value, preparedRound, preparedValue, justification } = frame.message;
  return {
    type,
    duty,
    source,
    round,
    value: orNull(value),
    preparedRound,
    preparedValue: orNull(preparedValue),
    justification: justification.length,
  };
}

function partialsSummary({ duty, signatures }: PartialSignatureSet): FrameSummary {
  const roots = [...new Set(signatures.map(({ messageRoot }) => shortRoot(messageRoot)))];
  return { type: "partials", duty: dutyId(duty), validators: signatures.length, roots };
}

function orNull(root: Root | null): string | null {
  return root === null ? null : shortRoot(root);
}
