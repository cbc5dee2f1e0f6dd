/** Statements, messages and a machine to step by hand: node 3 of 4, leaders in rotation. */
import type { PeerIndex, Root } from "../../src/domain/keys.ts";
import type { Round } from "../../src/domain/units.ts";
import { QbftInstance } from "../../src/qbft/instance.ts";
import type { Message, QbftEffect, QbftEvent, SignedStatement } from "../../src/qbft/messages.ts";
import type { QbftConfig } from "../../src/qbft/state.ts";
import { rootNamed } from "./qbftCluster.ts";

export const A = rootNamed("A");
export const B = rootNamed("B");
export const SELF = 3;

export function machine(config: Partial<QbftConfig> = {}): QbftInstance {
  return new QbftInstance({
    nodes: 4,
    self: SELF,
    leaderOf: (round) => (round - 1) % 4,
    maxRound: 6,
    maySend: true,
    ...config,
  });
}

export function started(config: Partial<QbftConfig> = {}): QbftInstance {
  const instance = machine(config);
  instance.step({ kind: "start" });
  return instance;
}

type Vote = { readonly source: PeerIndex; readonly round: Round; readonly value: Root };

export function vote(
  type: "PRE-PREPARE" | "PREPARE" | "COMMIT" | "DECIDED",
  of: Vote,
): SignedStatement {
  return { type, preparedRound: 0, preparedValue: null, signature: new Uint8Array(), ...of };
}

export function roundChange(
  source: PeerIndex,
  round: Round,
  prepared?: { readonly round: Round; readonly value: Root },
): SignedStatement {
  return {
    type: "ROUND-CHANGE",
    round,
    value: null,
    preparedRound: prepared?.round ?? 0,
    preparedValue: prepared?.value ?? null,
    source,
    signature: new Uint8Array(),
  };
}

export function votes(
  type: "PREPARE" | "COMMIT",
  of: Omit<Vote, "source">,
  sources: readonly PeerIndex[],
): readonly SignedStatement[] {
  return sources.map((source) => vote(type, { ...of, source }));
}

export function receive(
  statement: SignedStatement,
  justification: readonly SignedStatement[] = [],
): QbftEvent & { readonly message: Message } {
  return { kind: "receive", message: { ...statement, justification } };
}

export function stepAll(
  instance: QbftInstance,
  events: readonly QbftEvent[],
): readonly QbftEffect[] {
  return events.flatMap((event) => instance.step(event));
}

export function only<K extends QbftEffect["kind"]>(
  effects: readonly QbftEffect[],
  kind: K,
): readonly (QbftEffect & { readonly kind: K })[] {
  return effects.filter(
    (effect): effect is QbftEffect & { readonly kind: K } => effect.kind === kind,
  );
}

export function reasons(effects: readonly QbftEffect[]): readonly string[] {
  return only(effects, "reject").map(({ reason }) => reason);
}

/** A claim to have prepared A in round 1, and the PREPAREs that prove it. */
export const CLAIM = { round: 1, value: A };
export const CERTIFICATE = votes("PREPARE", CLAIM, [0, 1, 2]);
