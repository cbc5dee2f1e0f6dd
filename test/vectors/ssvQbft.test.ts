/**
 * Suite 9: ssv-spec's scenarios for one QBFT instance and for a row of them, on our machine. What
 * our rules decide otherwise is listed by file, with the rule and with the outcome that we have
 * instead; an entry that no longer differs fails as well.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { QbftInstance } from "../../src/qbft/instance.ts";
import { loadMutant, type Patch } from "../support/mutant.ts";
import { type FinalState, finalState, type MachineClass, SsvInstance } from "../support/ssvQbft.ts";
import { fromJson, type JsonMessage, type JsonState, lineOfOutput } from "../support/ssvSpec.ts";
import { listVectors, readVector, vectorOptions } from "../support/vectors.ts";

type Outcome = {
  /** Whether some message, or the value, was refused. Repetitions are not refused but ignored. */
  readonly rejects: boolean;
  readonly sends: readonly string[];
  readonly decisions: number;
  /** Timers since the file began, where the file says something about them. */
  readonly timers: string | null;
  /** Of each instance, by height. */
  readonly states: Readonly<Record<number, FinalState>>;
};
type Difference = { readonly rule: string; readonly why: string } & Partial<Outcome>;
type Scenario = {
  readonly name: string;
  readonly expected: Outcome;
  readonly run: (Machine: MachineClass) => Outcome;
};

const PROCESSING = "tests.MsgProcessingSpecTest_qbft_message_processing_";
const CONTROLLER = "tests.ControllerSpecTest_qbft_controller_";

/** Files that are not run, each with its reason. */
const SKIPPED = new Map(
  Object.entries({
    force_stop_prepare_message: "FLOW-4: an instance ends with its duty, at the driver's gate",
    force_stop_proposal_message: "FLOW-4: an instance ends with its duty, at the driver's gate",
    force_stop_round_change_message: "FLOW-4: an instance ends with its duty, at the driver's gate",
    start_instance_invalid_value: "ATT-6: the duty's row judges an own value before it is proposed",
  }),
);

const WAITS = { rule: "QBFT-2", why: "what comes before its time waits", rejects: false };
const LATE = { rule: "QBFT-2", why: "what comes too late asks for nothing", rejects: false };
const REPEATED = { rule: "QBFT-3", why: "the same again is nobody's fault", rejects: false };
const CONFLICT = { rule: "QBFT-3", why: "another statement is evidence", rejects: true };
const COUNTED = { rule: "QBFT-9", why: "COMMITs of any round and value count", rejects: false };
const SPOKEN = { rule: "QBFT-4", why: "what the file says for this node, it has said" };

/** By file: what our rules have instead of what the file expects. */
const DIFFERENCES = new Map<string, Difference>(
  Object.entries({
    no_previous_proposal_for_prepare: WAITS,
    prepare_future_round: WAITS,
    prepare_wrong_data: WAITS,
    future_valid_msg: WAITS,
    round_change_past_round: LATE,
    round_change_past_round_quorum: LATE,
    late_prepare_past_round: LATE,
    "commit_data_!=_acceptedProposalData.Data": COUNTED,
    commit_past_round: COUNTED,
    late_commit: COUNTED,
    late_commit_past_round: COUNTED,
    decide_current_instance_future_round: {
      rule: "QBFT-9",
      why: "a decided node enters no round",
      states: { 0: { round: 1, prepared: "73bf in 1", decided: "73bf" } },
    },
    round_cutoff_commit_message: {
      rule: "QBFT-14",
      why: "after the last round it still decides",
      rejects: false,
    },
    proposal_post_decided: REPEATED,
    proposal_post_prepare: REPEATED,
    second_proposal_for_round: REPEATED,
    late_proposal: REPEATED,
    round_change_duplicate_msg: CONFLICT,
    "round_change_duplicate_msg_quorum_(prev_prepared_rc_first)": CONFLICT,
    prepare_post_decided: {
      rule: "QBFT-10",
      why: "a late peer is answered",
      sends: ["COMMIT 1 73bf", "DECIDED to 4", "PREPARE 1 73bf"],
    },
    late_prepare: {
      rule: "QBFT-10",
      why: "a late peer is answered",
      rejects: false,
      sends: ["DECIDED to 4"],
    },
    "round_change_f+1_prepared": { ...SPOKEN, sends: [] },
    round_change_happy_flow: {
      ...SPOKEN,
      sends: ["COMMIT 2 73bf", "PRE-PREPARE 2 73bf [1,2,3|]", "PREPARE 1 73bf", "PREPARE 2 73bf"],
    },
    invalid_full_data: {
      rule: "QBFT-6",
      why: "the bytes need not come with the proposal: they were here already",
      rejects: false,
      sends: ["PREPARE 1 73bf"],
    },
    start_instance_nil_value: {
      rule: "QBFT-5",
      why: "an instance runs before its own value is there",
      rejects: false,
      states: { 0: { round: 1, prepared: "-", decided: "-" } },
    },
    // The one file in which we refuse what they count: a vote that is there twice.
    duplicate_prepare_msg_justification_quorum: {
      rule: "QBFT-1",
      why: "a quorum has distinct sources, each once",
      rejects: true,
      sends: [],
    },
  }),
);

/** Taken out one by one: some file must notice each. */
const MUTANTS: readonly { readonly name: string; readonly patches: readonly Patch[] }[] = [
  {
    name: "one vote less is a quorum",
    patches: [
      {
        file: "src/qbft/state.ts",
        find: "same.length < quorum(config.nodes)",
        replace: "same.length < quorum(config.nodes) - 1",
      },
    ],
  },
  {
    name: "a justification is not looked at",
    patches: [
      {
        file: "src/qbft/instance.ts",
        find: 'if (!isJustified(message, nodes)) return "unjustified";',
        replace: "void isJustified;",
      },
    ],
  },
  {
    name: "a prepared value does not bind the leader",
    patches: [
      {
        file: "src/qbft/rules.ts",
        find: "const highest = highestPrepared(roundChanges);",
        replace: "const highest = highestPrepared(roundChanges.slice(0, 0));",
      },
    ],
  },
  {
    name: "one peer is enough to change the round",
    patches: [
      { file: "src/qbft/rules.ts", find: "[faulty(state.config.nodes)] ?? 0", replace: "[0] ?? 0" },
    ],
  },
  {
    name: "a second proposal is taken",
    patches: [
      {
        file: "src/qbft/instance.ts",
        find: 'isSameStatement(first, message) ? "duplicate" : "equivocation"',
        replace: '"duplicate"',
      },
    ],
  },
];

test(
  "QBFT-2: ssv-spec's scenarios end as it expects, or as a rule of ours says",
  vectorOptions,
  (t) => {
    const counts = { files: 0, skipped: 0, agree: 0, differ: 0 };
    for (const { name, expected, run } of scenarios()) {
      counts.files++;
      if (SKIPPED.has(name)) {
        counts.skipped++;
        continue;
      }
      const difference = DIFFERENCES.get(name);
      const wanted = outcomeWith(expected, difference);
      assert.deepEqual(run(QbftInstance), wanted, name);
      if (difference === undefined) counts.agree++;
      else {
        counts.differ++;
        assert.notDeepEqual(wanted, expected, `${name} agrees by now: take it off the list`);
        t.diagnostic(`${name}: ${difference.rule}, ${difference.why}`);
      }
    }
    t.diagnostic(JSON.stringify(counts));
    assert.deepEqual(counts, { files: 90, skipped: 4, agree: 60, differ: 26 });
  },
);

for (const { name, patches } of MUTANTS) {
  test(`ssv-spec's scenarios notice a mutant: ${name}`, vectorOptions, async (t) => {
    const { QbftInstance: Mutant } = await loadMutant<{ readonly QbftInstance: MachineClass }>(
      "src/qbft/instance.ts",
      patches,
    );
    const noticed = scenarios().filter(
      ({ name, expected, run }) =>
        !SKIPPED.has(name) &&
        !isDeepStrictEqual(run(Mutant), outcomeWith(expected, DIFFERENCES.get(name))),
    );
    t.diagnostic(`noticed by ${noticed.length}: ${noticed[0]?.name}`);
    assert.ok(noticed.length > 0, "no file noticed the mutant");
  });
}

function outcomeWith(expected: Outcome, difference: Difference | undefined): Outcome {
  const { rule: _, why: __, ...outcome } = difference ?? { rule: "", why: "" };
  return { ...expected, ...outcome };
}

function scenarios(): readonly Scenario[] {
  const files = listVectors("ssv-spec/qbft", ".json");
  return [
    ...files.filter((file) => file.startsWith(PROCESSING)).map(processing),
    ...files.filter((file) => file.startsWith(CONTROLLER)).map(controller),
  ];
}

function processing(file: string): Scenario {
  const name = file.slice(PROCESSING.length, -".json".length);
  const vector = read<{
    readonly Pre: { readonly State: JsonState; readonly StartValue: string | null };
    readonly InputMessages: readonly JsonMessage[];
    readonly OutputMessages: readonly JsonMessage[] | null;
    readonly ExpectedErrorCode: number;
    readonly ExpectedTimerState: { readonly Timeouts: number; readonly Round: number } | null;
  }>("ssv-spec/qbft", file);
  const folder = "ssv-spec/qbft-post-state/tests_MsgProcessingSpecTest";
  const after = read<JsonState>(folder, postName(file));
  const { State, StartValue } = vector.Pre;
  const timer = vector.ExpectedTimerState;
  return {
    name,
    expected: {
      rejects: vector.ExpectedErrorCode !== 0,
      sends: (vector.OutputMessages ?? []).map((json) => lineOfOutput(fromJson(json))).sort(),
      decisions: after.Decided ? 1 : 0,
      timers: timer && timersText(timer.Timeouts, timer.Round),
      states: { [State.Height]: finalState(after) },
    },
    run: (Machine) => {
      const instance = new SsvInstance(State, Machine);
      instance.start(bytesOf(StartValue));
      instance.seed(State);
      instance.begin();
      for (const json of vector.InputMessages) instance.take(fromJson(json));
      const outcome = outcomeOf(new Map([[State.Height, instance]]), instance.sent);
      const { timers } = instance;
      return { ...outcome, timers: timer && timersText(timers.length, timers.at(-1) ?? 0) };
    },
  };
}

/** A row of instances; what is compared of what they send is their answers to late peers. */
function controller(file: string): Scenario {
  const name = file.slice(CONTROLLER.length, -".json".length);
  const vector = read<{
    readonly Controller: Pick<JsonState, "CommitteeMember">;
    readonly RunInstanceData: readonly {
      readonly InputValue: string | null;
      readonly InputMessages: readonly JsonMessage[] | null;
      readonly Height?: number;
      readonly ExpectedDecidedState: { readonly DecidedCnt: number };
    }[];
    readonly ExpectedErrorCode: number;
  }>("ssv-spec/qbft", file);
  const folder = "ssv-spec/qbft-post-state/tests_ControllerSpecTest";
  const after = read<readonly { readonly StoredInstances: readonly { State: JsonState }[] }[]>(
    folder,
    postName(file),
  );
  const { CommitteeMember } = vector.Controller;
  const states = (after.at(-1)?.StoredInstances ?? []).map(({ State }) => State);
  return {
    name,
    expected: {
      rejects: vector.ExpectedErrorCode !== 0,
      sends: [],
      decisions: vector.RunInstanceData.reduce(
        (sum, { ExpectedDecidedState }) => sum + ExpectedDecidedState.DecidedCnt,
        0,
      ),
      timers: null,
      states: Object.fromEntries(states.map((state) => [state.Height, finalState(state)])),
    },
    run: (Machine) => {
      const instances = new Map<number, SsvInstance>();
      const at = (Height: number): SsvInstance => {
        const known = instances.get(Height);
        if (known !== undefined) return known;
        const fresh = new SsvInstance({ CommitteeMember, Height }, Machine);
        instances.set(Height, fresh);
        fresh.begin();
        return fresh;
      };
      for (const [index, run] of vector.RunInstanceData.entries()) {
        at(run.Height ?? index).start(bytesOf(run.InputValue));
        for (const json of run.InputMessages ?? []) {
          const message = fromJson(json);
          at(message.height).take(message);
        }
      }
      const sent = [...instances.values()].flatMap((instance) => instance.sent);
      return outcomeOf(
        instances,
        sent.filter((line) => line.startsWith("DECIDED")),
      );
    },
  };
}

function outcomeOf(instances: ReadonlyMap<number, SsvInstance>, sends: readonly string[]): Outcome {
  const all = [...instances.values()];
  return {
    rejects: all.some(({ rejected }) => rejected.some((reason) => reason !== "duplicate")),
    sends: [...sends].sort(),
    decisions: all.reduce((sum, { decisions }) => sum + decisions, 0),
    timers: null,
    states: Object.fromEntries(
      [...instances]
        .filter(([, { isKept }]) => isKept)
        .map(([height, { state }]) => [height, state]),
    ),
  };
}

function timersText(starts: number, round: number): string {
  return `${starts} started, the last for round ${round}`;
}

function read<T>(folder: string, name: string): T {
  return JSON.parse(readVector(folder, name).toString()) as T;
}

/** Post-state files have blanks where the scenario's file has underscores, and no prefix. */
function postName(file: string): string {
  return file.slice(file.indexOf("_") + 1).replaceAll("_", " ");
}

function bytesOf(base64: string | null): Uint8Array | null {
  return base64 === null ? null : Buffer.from(base64, "base64");
}
