/** The transcript of a finished ceremony, as a stranger reads it (DKG-13). */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import type { CeremonyOutcome } from "../../../src/dkg/messages.ts";
import { parseTranscript, type Transcript, writeTranscript } from "../../../src/dkg/transcript.ts";
import { verifyTranscript } from "../../../src/dkg/verifyTranscript.ts";
import { CeremonyNetwork } from "../../support/ceremonyNetwork.ts";
import { seededRandom } from "../../support/random.ts";

/** Bytes of the file that are changed, one at a time, besides one in every field. */
const SAMPLES = 60;

let outcome: CeremonyOutcome;
let text: string;

before(() => {
  const network = new CeremonyNetwork({ nodes: 3, threshold: 2, validators: 1 });
  network.start();
  network.run();
  const finished = network.operator(0).outcome;
  assert(finished !== null, "the ceremony finishes");
  outcome = finished;
  text = writeTranscript(finished.transcript);
});

function faultsOf(changed: string): readonly string[] {
  const parsed = parseTranscript(changed);
  if (!parsed.ok) return parsed.error.map(({ path, reason }) => `${path}: ${reason}`);
  return faultsIn(parsed.value);
}

function faultsIn(transcript: Transcript): readonly string[] {
  const { lock, deposits } = outcome;
  return verifyTranscript({ transcript, lock, deposits }).map(
    ({ path, reason }) => `${path}: ${reason}`,
  );
}

describe("a transcript", () => {
  it("of a finished ceremony has no fault", () => {
    assert.deepEqual(faultsOf(text), []);
  });

  it("with one changed digit in any field fails, and names the place", () => {
    const phases = [
      ...["agree", "commit", "reveal", "verdict", "nodes"].map((phase) => [phase, "body"]),
      ["keys", "body"],
      ["deposits", "hash"],
      ["lock", "hash"],
    ] as const;
    for (const [phase = "", field = ""] of phases) {
      for (const [list, name] of [
        ["messages", field],
        ["messages", "signature"],
        ["echoes", "witnesses"],
        ["echoes", "signature"],
      ] as const) {
        for (const index of [0, 2]) {
          const changed = JSON.parse(text);
          const entry = changed[phase][list]?.[index];
          if (entry === undefined || entry[name].length < 4) continue;
          entry[name] = flipped(entry[name], entry[name].length - 1);
          const faults = faultsOf(writeTranscript(changed));
          assert.notEqual(faults.length, 0, `${phase}.${list}[${index}].${name}`);
          assert.match(faults[0] ?? "", new RegExp(`^${phase}\\.${list}\\[${index}\\]`));
        }
      }
    }
  });

  it("with one changed byte anywhere fails", () => {
    const random = seededRandom("bytes");
    for (let sample = 0; sample < SAMPLES; sample++) {
      const at = Buffer.from(random.bytes(4)).readUInt32BE() % text.length;
      const faults = faultsOf(flipped(text, at));
      assert.notEqual(faults.length, 0, `character ${at} of ${text.length}`);
    }
  });

  it("of another lock, definition or attempt is named by that field", () => {
    const other = `0x${"12".repeat(32)}`;
    assert.match(faultsIn({ ...outcome.transcript, lock_hash: other })[0] ?? "", /^lock_hash/);
    assert.match(
      faultsIn({ ...outcome.transcript, definition_hash: other })[0] ?? "",
      /^definition_hash/,
    );
    assert.match(faultsIn({ ...outcome.transcript, attempt: 2 })[0] ?? "", /^attempt/);
  });

  it("beside a changed lock is refused by the lock's field", () => {
    const { lock, transcript, deposits } = outcome;
    const [first, ...rest] = lock.node_signatures ?? [];
    const changed = { ...lock, node_signatures: [flipped(first ?? "", 20), ...rest] };
    const faults = verifyTranscript({ transcript, lock: changed, deposits });
    assert.match(faults[0]?.path ?? "", /^lock\.node_signatures\[0\]/);
  });

  it("holds no sealed share and no signature of a key share", () => {
    const fields = new Set(
      Object.values(outcome.transcript).flatMap((phase) =>
        typeof phase === "object" ? phase.messages.flatMap((message) => Object.keys(message)) : [],
      ),
    );
    assert.deepEqual([...fields].sort(), ["body", "hash", "signature"]);
  });
});

describe("deposits beside a transcript", () => {
  it("to other credentials, of other amounts, badly signed or missing are named", () => {
    const { lock, transcript, deposits } = outcome;
    const [deposit] = deposits;
    assert(deposit !== undefined, "there is a deposit");
    const faultsWith = (changed: object): string => {
      const faults = verifyTranscript({ transcript, lock, deposits: [{ ...deposit, ...changed }] });
      return faults.map(({ path }) => path).join(" ");
    };
    assert.equal(faultsWith({}), "");
    const withdrawalCredentials = deposit.withdrawalCredentials.with(31, 9);
    assert.match(faultsWith({ withdrawalCredentials }), /deposits\[0\]\.withdrawal_credentials/);
    assert.match(faultsWith({ amount: 1n }), /deposits\[0\]/);
    const signature = deposit.signature.with(50, 9);
    assert.match(faultsWith({ signature }), /deposits\[0\]\.signature/);
    assert.equal(verifyTranscript({ transcript, lock, deposits: [] }).length, 1);
    assert.deepEqual(verifyTranscript({ transcript, lock, deposits: null }), []);
  });
});

/** Another character at the place: the next hexadecimal digit, or a space for anything else. */
function flipped(from: string, at: number): string {
  const digits = "0123456789abcdef";
  const digit = digits.indexOf(from[at] ?? "");
  const other = digit < 0 ? "~" : digits[(digit + 1) % digits.length];
  return from.slice(0, at) + other + from.slice(at + 1);
}
