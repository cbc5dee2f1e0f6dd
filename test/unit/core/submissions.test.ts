// A hundred signatures in one request, each judged alone (VC-4), with real keys and the real gate.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import { GateAdmission } from "../../../src/core/admission.ts";
import { Background } from "../../../src/core/background.ts";
import { SignatureVerifier } from "../../../src/core/signatureVerifier.ts";
import { type Submission, Submissions } from "../../../src/core/submissions.ts";
import { createBls } from "../../../src/crypto/bls.ts";
import { createBuiltinSigner } from "../../../src/crypto/builtinSigner.ts";
import { parseSecretKey } from "../../../src/crypto/points.ts";
import type { SigningTask } from "../../../src/domain/data.ts";
import { pubShareOf } from "../../../src/domain/keys.ts";
import { MAX_TRACED_SIGNATURES } from "../../../src/domain/limits.ts";
import type { Bls } from "../../../src/ports/bls.ts";
import { openFreezes } from "../../../src/safety/freezes.ts";
import { createSafetyGate } from "../../../src/safety/gate.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { signRoot } from "../../support/clientKeys.ts";
import { countingMetrics, recordingLogger } from "../../support/quiet.ts";
import { CHAIN, OPEN, task, vote } from "../../support/slashing.ts";
import { testChain } from "../../support/testChain.ts";

const DUTY = { slot: 9, type: "attester" } as const;
const COUNT = 100;
const tasks = Array.from({ length: COUNT }, (_, validator) => task(validator, vote(0, 1)));

/** A secret key for a validator and a share; 0 is this node's. */
function secretOf(validator: number, share: number): Uint8Array {
  const secret = new Uint8Array(32);
  new DataView(secret.buffer).setUint32(28, 1 + 10 * validator + share);
  return secret;
}

function signed({ ...task }: SigningTask, share = 0): Submission {
  return { task, signature: signRoot(secretOf(task.validator, share), task.signingRoot) };
}

async function createDesk(
  bls: Bls = createBls(),
): Promise<{ desk: Submissions; admitted: number[] }> {
  const disk = new VirtualDisk();
  const freezes = await openFreezes(disk.open());
  const slashing = await openSlashingStore(disk.open(), CHAIN);
  const gate = createSafetyGate({ ...OPEN, slashing, freezes });
  const verifier = new SignatureVerifier(
    bls,
    (validator, share) => {
      const key = parseSecretKey(secretOf(validator, share - 1));
      assert.ok(key !== null);
      return pubShareOf(key.publicKey);
    },
    2,
  );
  const logger = recordingLogger();
  const metrics = countingMetrics();
  const tracker = {
    reached: () => undefined,
    noted: () => undefined,
    explain: () => "",
    recent: () => [],
  };
  const background = new Background((bug) => assert.fail(String(bug)));
  const precursors = { count: () => undefined };
  const common = { gate, verifier, freezes, precursors, logger, metrics, tracker, background };
  const chain = testChain();
  const clock = { now: () => 0 };
  const admission = new GateAdmission({
    ...common,
    chain,
    clock,
    deadlines: { signalOf: () => new AbortController().signal },
    untilWitnessed: () => Promise.resolve(),
  });
  const admitted: number[] = [];
  admission.onAdmitted(({ signatures }) => {
    admitted.push(...signatures.map(({ validator }) => validator));
  });
  const desk = new Submissions({
    ...common,
    admission,
    chain,
    identity: { self: 0 },
    signer: createBuiltinSigner([]),
    scheduler: { definitions: () => [] },
    kindOf: () => ({ tasks: () => tasks }),
  });
  return { desk, admitted };
}

const DATA = { duty: DUTY, value: new Uint8Array(), root: CHAIN };

test("VC-4: one bad item among a hundred is refused by its place, ninety-nine go on", async () => {
  const { desk, admitted } = await createDesk();
  const items = tasks.map((each) => signed(each));
  const verdicts = await desk.submit(
    DUTY,
    DATA,
    items.with(42, signed(tasks[42] ?? assert.fail(), 1)),
  );
  assert.deepEqual(
    verdicts.flatMap((denial, index) => (denial === null ? [] : [[index, denial.code]])),
    [[42, "foreign_share"]],
  );
  assert.deepEqual(
    admitted,
    tasks.map(({ validator }) => validator).filter((validator) => validator !== 42),
  );
});

test("a request full of bad signatures is not traced without end", async () => {
  let checks = 0;
  const real = createBls();
  const counting: Bls = {
    ...real,
    verifyBatch: (batch) => real.verifyBatch(batch),
    verify: (check) => {
      checks++;
      return real.verify(check);
    },
  };
  const { desk, admitted } = await createDesk(counting);
  const foreign = tasks.map((each) => signed(each, 1));
  const codes = (await desk.submit(DUTY, DATA, foreign)).map((denial) => denial?.code);
  assert.equal(codes.filter((code) => code === "foreign_share").length, MAX_TRACED_SIGNATURES);
  assert.equal(
    codes.filter((code) => code === "bad_signature").length,
    COUNT - MAX_TRACED_SIGNATURES,
  );
  assert.deepEqual(admitted, []);
  // One for each item when the batch fails, and at most group and shares for each traced one.
  assert.ok(checks <= COUNT + 3 * MAX_TRACED_SIGNATURES, String(checks));
});
