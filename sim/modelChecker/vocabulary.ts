/**
 * What can be said in the model: the statements of one QBFT instance with two values, and every
 * proposal and claim that a Byzantine node can make of what the honest ones have signed so far.
 */
import type { PeerIndex, Root } from "../../src/domain/keys.ts";
import type { Round } from "../../src/domain/units.ts";
import type { Message, SignedStatement, Statement } from "../../src/qbft/messages.ts";
import { statementOf } from "../../src/qbft/rules.ts";

export const VALUES: readonly Root[] = [
  `0x${"aa".repeat(32)}` as Root,
  `0x${"bb".repeat(32)}` as Root,
];

type Claim = { readonly round: Round; readonly value: Root } | null;
const UNSIGNED = new Uint8Array();

/** Everything that was ever signed by an honest node and is still on the wire: the soup. */
export type Soup = readonly (readonly Message[])[];

export function nameOf(value: Root | null): string {
  return value === null ? "-" : value === VALUES[0] ? "A" : "B";
}

/** A statement without its author, as one word. */
export function wordOf({ type, round, value, preparedRound, preparedValue }: Statement): string {
  return type === "ROUND-CHANGE"
    ? `${type} ${round} ${nameOf(preparedValue)}${preparedRound}`
    : `${type} ${round} ${nameOf(value)}`;
}

export function signed(statement: Statement, source: PeerIndex): SignedStatement {
  return { ...statement, source, signature: UNSIGNED };
}

export function message(
  statement: SignedStatement,
  justification: readonly SignedStatement[] = [],
): Message {
  return { ...statement, justification };
}

/** The vote of each honest author who cast it; a Byzantine author casts them all. */
export function votesFor(
  statement: Statement,
  { soup, byzantine }: { readonly soup: Soup; readonly byzantine: PeerIndex },
): readonly SignedStatement[] {
  const honest = soup.flatMap((voice) =>
    voice.filter(
      ({ type, round, value }) =>
        type === statement.type && round === statement.round && value === statement.value,
    ),
  );
  return [signed(statement, byzantine), ...honest.map(bare)];
}

/** What the liar may claim to have prepared below `round`, with all the votes that there are. */
export function claimsOf(
  round: Round,
  world: { readonly soup: Soup; readonly byzantine: PeerIndex },
): readonly Message[] {
  const claims: Claim[] = [null];
  for (let earlier = 1; earlier < round; earlier++) {
    for (const value of VALUES) claims.push({ round: earlier, value });
  }
  return claims.map((claim) =>
    message(
      signed(roundChange(round, claim), world.byzantine),
      claim === null ? [] : votesFor(statementOf("PREPARE", claim.round, claim.value), world),
    ),
  );
}

/**
 * Every PRE-PREPARE of the liar for `round` and `value`: with each set of ROUND-CHANGEs that can be
 * put together (too few, of another round and its own ones twice among them), beside each set of
 * PREPAREs (none, those for one value, those of one round whatever they name, its own three times).
 */
export function* proposalsOf(
  { round, value }: { readonly round: Round; readonly value: Root },
  world: { readonly soup: Soup; readonly byzantine: PeerIndex },
): Generator<Message> {
  const proposal = signed(statementOf("PRE-PREPARE", round, value), world.byzantine);
  const prepares = prepareSets(round, world);
  for (const changes of roundChangeSets(round, world)) {
    for (const votes of prepares) yield message(proposal, [...changes, ...votes]);
  }
}

export function subsetsOf<T>(items: readonly T[]): readonly (readonly T[])[] {
  const sets: (readonly T[])[] = [[]];
  for (const item of items) sets.push(...sets.map((set) => [...set, item]));
  return sets;
}

/** The ROUND-CHANGEs of `round` that honest nodes have sent. */
export function roundChangesIn(soup: Soup, round: Round): readonly Message[] {
  return soup.flatMap((voice) =>
    voice.filter((each) => each.type === "ROUND-CHANGE" && each.round === round),
  );
}

function* roundChangeSets(
  round: Round,
  world: { readonly soup: Soup; readonly byzantine: PeerIndex },
): Generator<readonly SignedStatement[]> {
  if (round === 1) {
    yield [];
    return;
  }
  const claims = claimsOf(round, world).map(bare);
  const honest = roundChangesIn(world.soup, round).map(bare);
  // Large sets first: what is accepted at all is mostly found among them.
  for (const set of [...subsetsOf(honest)].reverse()) {
    yield set;
    for (const claim of claims) {
      yield [...set, claim];
      for (const other of claims) yield [...set, claim, other];
    }
    yield [...set, ...set];
  }
  for (let other = 2; other <= round + 1; other++) {
    if (other !== round)
      yield [...roundChangesIn(world.soup, other).map(bare), ...claims.slice(0, 1)];
  }
}

function prepareSets(
  round: Round,
  world: { readonly soup: Soup; readonly byzantine: PeerIndex },
): readonly (readonly SignedStatement[])[] {
  const sets: (readonly SignedStatement[])[] = [[]];
  for (let earlier = round - 1; earlier >= 1; earlier--) {
    const each = VALUES.map((value) => votesFor(statementOf("PREPARE", earlier, value), world));
    const own = each.flatMap((votes) => votes.slice(0, 1));
    sets.push(...each, [...each.flatMap((votes) => votes.slice(1)), ...own.slice(0, 1)]);
    for (const vote of own) sets.push([vote, vote, vote]);
  }
  return sets;
}

function roundChange(round: Round, claim: Claim): Statement {
  return {
    type: "ROUND-CHANGE",
    round,
    value: null,
    preparedRound: claim?.round ?? 0,
    preparedValue: claim?.value ?? null,
  };
}

function bare({ justification: _, ...statement }: Message): SignedStatement {
  return statement;
}
