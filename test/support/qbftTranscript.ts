/**
 * Transcripts of a QBFT cluster in the manner of etcd/raft's testdata: a command, `----`, and the
 * whole trace that it causes. `runTranscript` returns the text with the traces as they are now.
 *
 *   cluster nodes=4 [byzantine=0] [quarantined=3] [maxRound=6]
 *   start all | start 0 1
 *   propose 1 value=A
 *   timeout 1 2 3
 *   refuse 3 value=A              its driver refuses A, whatever the round
 *   restart 2                     forgets everything and comes back quarantined
 *   deliver [to=1] [from=0] [type=PREPARE] [round=1]    what is on its way now and what follows
 *   once [to=1] …                 only what is on its way now
 *   drop [to=1] …                 loses it
 *   repeat type=PREPARE …         delivers again what was signed before
 *   send 0 to=1,2 type=PRE-PREPARE round=2 value=A [prepared=1/A] [with=ROUND-CHANGE/2/1,…] [bare]
 *   status
 */
import assert from "node:assert/strict";
import type { PeerIndex } from "../../src/domain/keys.ts";
import type {
  Message,
  MessageType,
  QbftEffect,
  QbftEvent,
  Statement,
} from "../../src/qbft/messages.ts";
import { type Delivery, letterOf, QbftCluster, rootNamed } from "./qbftCluster.ts";

type Arguments = {
  readonly words: readonly string[];
  readonly options: Readonly<Record<string, string>>;
};
type Command = (cluster: QbftCluster, args: Arguments, refused: Set<string>) => void;

export function runTranscript(text: string): string {
  const refused = new Set<string>();
  let cluster: QbftCluster | undefined;
  let trace: string[] = [];
  const blocks = text.trimEnd().split("\n\n");
  const written = blocks.map((block) => {
    const [head = ""] = block.split("\n----");
    const line = head.split("\n").find((candidate) => !candidate.startsWith("#"));
    if (line === undefined) return head;
    trace = [];
    const { name, args } = parse(line);
    if (name === "cluster") {
      cluster = create(args, refused);
      cluster.observer = (node, event, effects) => trace.push(...describe(node, event, effects));
    } else if (name === "status") {
      trace = statusOf(cluster);
    } else {
      assert(cluster !== undefined, "a transcript begins with its cluster");
      const command = COMMANDS[name];
      assert(command !== undefined, `unknown command: ${name}`);
      command(cluster, args, refused);
    }
    for (const violation of cluster?.violations ?? []) trace.push(`VIOLATION ${violation}`);
    return `${head}\n----\n${trace.length === 0 ? "ok" : trace.join("\n")}`;
  });
  return `${written.join("\n\n")}\n`;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  start: (cluster, args) => {
    for (const node of nodesOf(cluster, args)) cluster.start(node);
  },
  propose: (cluster, args) => {
    for (const node of nodesOf(cluster, args))
      cluster.propose(node, rootNamed(option(args, "value")));
  },
  timeout: (cluster, args) => {
    for (const node of nodesOf(cluster, args)) cluster.timeout(node);
  },
  refuse: (cluster, args, refused) => {
    for (const node of nodesOf(cluster, args)) refused.add(`${node}/${option(args, "value")}`);
  },
  restart: (cluster, args) => {
    for (const node of nodesOf(cluster, args)) cluster.restart(node);
  },
  deliver: (cluster, args) => {
    for (let index = 0; index >= 0; ) {
      index = cluster.pending.findIndex((delivery) => matches(delivery, args));
      if (index >= 0) cluster.deliver(index);
    }
  },
  once: (cluster, args) => {
    for (const delivery of cluster.pending.filter((candidate) => matches(candidate, args))) {
      cluster.deliver(cluster.pending.indexOf(delivery));
    }
  },
  drop: (cluster, args) => {
    const lost = cluster.pending.filter((delivery) => matches(delivery, args));
    assert(lost.length > 0, "there is something to drop");
    for (const delivery of lost) cluster.pending.splice(cluster.pending.indexOf(delivery), 1);
  },
  repeat: (cluster, args) => {
    const to = option(args, "to").split(",").map(Number);
    for (const message of cluster.signed.filter((m) => isAbout(m, args.options))) {
      cluster.inject(message, to, false);
    }
    COMMANDS["deliver"]?.(cluster, { words: [], options: {} }, new Set());
  },
  send: (cluster, args) => {
    const to = option(args, "to").split(",").map(Number);
    const statement = { ...statementOf(args), source: Number(args.words[0]) };
    const justification = (args.options["with"]?.split(",") ?? []).map((reference) => {
      const [type, round, source] = reference.split("/");
      const found = cluster.signed.find(
        (m) => m.type === type && m.round === Number(round) && m.source === Number(source),
      );
      assert(found !== undefined, `nobody signed ${reference}`);
      const { justification: _, ...vote } = found;
      return vote;
    });
    const message = { ...cluster.forge(statement), justification };
    const hasBytes = statement.type === "PRE-PREPARE" && !args.words.includes("bare");
    cluster.inject(message, to, hasBytes);
  },
};

function create({ options }: Arguments, refused: ReadonlySet<string>): QbftCluster {
  const list = (name: string): PeerIndex[] => options[name]?.split(",").map(Number) ?? [];
  return new QbftCluster({
    nodes: Number(options["nodes"]),
    maxRound: Number(options["maxRound"] ?? 6),
    byzantine: list("byzantine"),
    quarantined: list("quarantined"),
    judge: ({ node, value }) =>
      refused.has(`${node}/${letterOf(value)}`)
        ? { accepted: false, reason: "refused by the transcript" }
        : { accepted: true },
  });
}

function parse(line: string): { readonly name: string; readonly args: Arguments } {
  const [name = "", ...rest] = line.split(" ");
  const options = rest.filter((word) => word.includes("=")).map((word) => word.split("=", 2));
  const words = rest.filter((word) => !word.includes("="));
  return { name, args: { words, options: Object.fromEntries(options) } };
}

function option({ options }: Arguments, name: string): string {
  const value = options[name];
  assert(value !== undefined, `the command needs ${name}=`);
  return value;
}

function nodesOf(cluster: QbftCluster, { words }: Arguments): readonly PeerIndex[] {
  return words[0] === "all" ? cluster.honest : words.map(Number);
}

function statementOf(args: Arguments): Statement {
  const { value, prepared } = args.options;
  const [preparedRound, preparedLetter] = prepared?.split("/") ?? [];
  return {
    type: option(args, "type") as MessageType,
    round: Number(option(args, "round")),
    value: value === undefined ? null : rootNamed(value),
    preparedRound: Number(preparedRound ?? 0),
    preparedValue: preparedLetter === undefined ? null : rootNamed(preparedLetter),
  };
}

function matches(delivery: Delivery, { options }: Arguments): boolean {
  const { to, from, ...about } = options;
  if (to !== undefined && !to.split(",").includes(String(delivery.to))) return false;
  if (from !== undefined && !from.split(",").includes(String(delivery.from))) return false;
  if (delivery.kind === "message") return isAbout(delivery.message, about);
  return about["type"] === undefined || about["type"] === delivery.kind;
}

function isAbout(
  message: Message,
  { type, round, from }: Readonly<Record<string, string>>,
): boolean {
  return (
    (type === undefined || message.type === type) &&
    (round === undefined || message.round === Number(round)) &&
    (from === undefined || message.source === Number(from))
  );
}

function statusOf(cluster: QbftCluster | undefined): string[] {
  assert(cluster !== undefined, "a transcript begins with its cluster");
  return cluster.honest.map((node) => {
    const decided = cluster.decisions.get(node);
    const head = `${node} round=${cluster.roundOf(node)}`;
    if (decided === undefined) return `${head} undecided`;
    const note = cluster.hasBytes(node, decided.value) ? "" : ", no bytes";
    return `${head} decided ${letterOf(decided.value)} in round ${decided.round}${note}`;
  });
}

function describe(node: PeerIndex, event: QbftEvent, effects: readonly QbftEffect[]): string[] {
  return [`${node} ${eventText(event)}`, ...effects.map((effect) => `  ${effectText(effect)}`)];
}

function eventText(event: QbftEvent): string {
  switch (event.kind) {
    case "start":
      return "start";
    case "propose":
    case "value":
      return `${event.kind} ${letterOf(event.value)}`;
    case "validated": {
      const outcome = event.verdict.accepted ? "accepted" : "refused";
      return `validated ${letterOf(event.value)} round=${event.round} ${outcome}`;
    }
    case "receive":
      return `<- ${event.message.source} ${statementText(event.message)}`;
    case "timeout":
      return `timeout round=${event.round}`;
  }
}

function effectText(effect: QbftEffect): string {
  switch (effect.kind) {
    case "broadcast":
      return `broadcast ${statementText(effect.statement)}${votesText(effect.justification)}`;
    case "answer": {
      const text = `${statementText(effect.statement)}${votesText(effect.justification)}`;
      return `answer ${effect.peer} ${text}`;
    }
    case "setTimer":
      return `setTimer round=${effect.round}`;
    case "pull":
      return `pull ${letterOf(effect.value)} from ${effect.peers.join(" ")}`;
    case "validate": {
      const certified = effect.certified ? " certified" : "";
      return `validate ${letterOf(effect.value)} round=${effect.round}${certified}`;
    }
    case "decide": {
      const votes = votesText(effect.certificate);
      return `decide ${letterOf(effect.value)} round=${effect.round}${votes}`;
    }
    case "reject": {
      const first = effect.conflicting && ` first=${statementText(effect.conflicting)}`;
      return `reject ${effect.reason}${first ?? ""}`;
    }
  }
}

function statementText({ type, round, value, preparedRound, preparedValue }: Statement): string {
  if (type !== "ROUND-CHANGE") return `${type} round=${round} value=${letterOf(value)}`;
  const prepared = preparedValue === null ? "none" : `${preparedRound}/${letterOf(preparedValue)}`;
  return `${type} round=${round} prepared=${prepared}`;
}

/** Who voted, by type: `[ROUND-CHANGE 1 2 3; PREPARE 0 1 2]`. */
function votesText(votes: readonly (Statement & { readonly source: PeerIndex })[]): string {
  if (votes.length === 0) return "";
  const types = [...new Set(votes.map((vote) => vote.type))];
  const lists = types.map((type) =>
    [type, ...votes.filter((vote) => vote.type === type).map((vote) => vote.source)].join(" "),
  );
  return ` [${lists.join("; ")}]`;
}
