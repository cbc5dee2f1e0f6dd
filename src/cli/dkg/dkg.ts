/**
 * `coterie dkg`: this operator's part in a key ceremony, from the lobby to the confirmed files. The
 * same command goes on where a crash stopped it.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ceremonyScope } from "../../adapters/p2p/scope.ts";
import { acquireInstanceLock } from "../../adapters/storage/instanceLock.ts";
import { systemClock } from "../../adapters/system/clock.ts";
import { createMetrics } from "../../adapters/system/metrics.ts";
import { systemRandom } from "../../adapters/system/random.ts";
import type { ClusterDefinition } from "../../cluster/definition.ts";
import { fieldBytes } from "../../cluster/fields.ts";
import { fingerprintOf } from "../../cluster/fingerprint.ts";
import { networkOf } from "../../cluster/networks.ts";
import { decodeEnr } from "../../crypto/enr.ts";
import { createIdentity } from "../../crypto/identity.ts";
import { sha256 } from "../../crypto/sha256.ts";
import type { CeremonyEnd } from "../../dkg/ceremonyRun.ts";
import { phaseTimeoutMs } from "../../dkg/phaseTimeouts.ts";
import { runCeremony } from "../../dkg/runner.ts";
import { Cancelled, FaultError, UsageError } from "../../domain/errors.ts";
import { rootOf } from "../../domain/keys.ts";
import { MAX_CEREMONY_ATTEMPTS } from "../../domain/limits.ts";
import type { Identity } from "../../ports/identity.ts";
import { assert } from "../../util/assert.ts";
import { toHex } from "../../util/bytes.ts";
import { isPrecious } from "../clusterSettings.ts";
import { EXIT_CODES, type ExitCode } from "../exitCodes.ts";
import { identityPath, readIdentityKey } from "../identityFiles.ts";
import { openLog } from "../logOptions.ts";
import { openP2p, requireKnownPeers } from "../p2p.ts";
import { versionInfo } from "../version.ts";
import { readAcceptance } from "./accept.ts";
import { Board, keystoreProgress } from "./board.ts";
import { openCeremonyDisk } from "./ceremonyDisk.ts";
import { readDefinitionFile } from "./definitionFile.ts";
import type { DkgOptions } from "./dkgOptions.ts";
import { isToBePushedAgain, openKeymanager, pushKeystores } from "./keymanager.ts";

/** Operators who started at different times confirm within this, or ask for it later. */
const LINGER_MS = 600_000;
const DEFAULT_COLUMNS = 80;

/** Resolves with what became of the ceremony; throws UsageError for what is wrong here. */
export async function dkg(options: DkgOptions): Promise<ExitCode> {
  const stopping = new AbortController();
  const onSignal = (name: string): void => stopping.abort(new Cancelled(name));
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    return await hold(options, stopping);
  } catch (error) {
    if (!(error instanceof Cancelled)) throw error;
    process.stderr.write("stopped; the same command goes on from here\n");
    return EXIT_CODES.fault;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

async function hold(options: DkgOptions, stopping: AbortController): Promise<ExitCode> {
  const { dataDir } = options;
  const { definition, contractWallets } = await readDefinitionFile({
    path: options.definitionFile,
    contractWallets: options.contractWallets,
    executionEndpoint: options.executionEndpoint,
  });
  const definitionHash = rootOf(fieldBytes(definition.definition_hash));
  requireKnownPeers(options, definition.operators.length);
  requireStrongKeys(options, definition);
  const { secretKey, identity, operators } = await readIdentity(dataDir, definition);
  const acceptance = await readAcceptance(dataDir, definitionHash);
  await using closing = new AsyncDisposableStack();
  const keymanager = await openKeymanager(options.keymanager);
  closing.defer(() => keymanager?.close());
  const lock = await acquireInstanceLock({
    directory: dataDir,
    clock: systemClock,
    random: systemRandom,
    onLost: (reason) => stopping.abort(new FaultError("data_dir_lost", reason)),
  });
  closing.defer(() => lock.release());
  if (keymanager !== null && (await isToBePushedAgain(dataDir, definitionHash))) {
    await pushKeystores(keymanager, dataDir);
    return EXIT_CODES.ok;
  }
  const board = boardFor(options, { definition, self: identity.self });
  const storage = await openCeremonyDisk({
    dataDir,
    definitionHash,
    secretKey,
    kdf: options.kdf,
    onKeystores: keystoreProgress(() => systemClock.monotonic(), board),
  });
  const p2p = await openP2p(options, {
    operators,
    self: identity.self,
    secretKey,
    scope: ceremonyScope(definitionHash),
    validateGossip: () => "ignore",
    logger: openLog(options),
    metrics: createMetrics({}),
  });
  closing.defer(() => p2p.stop());
  const { network } = p2p;
  const size = { nodes: operators.length, validators: definition.num_validators };
  const end = await runCeremony(
    {
      definition,
      self: identity.self,
      version: versionInfo().version,
      maxAttempt: acceptance.attempts_before + MAX_CEREMONY_ATTEMPTS,
      phaseTimeoutMs: (phase) => options.phaseTimeoutMs ?? phaseTimeoutMs(phase, size),
      lingerMs: LINGER_MS,
      contractWallets,
    },
    {
      clock: systemClock,
      random: systemRandom,
      identity,
      network,
      storage,
      report: (report) => board.show(report),
    },
    stopping.signal,
  );
  const code = await conclude(end, options);
  if (end.kind !== "aborted" && keymanager !== null) await pushKeystores(keymanager, dataDir);
  return code;
}

function requireStrongKeys({ kdf }: DkgOptions, definition: ClusterDefinition): void {
  const network = networkOf(definition.fork_version)?.name ?? "";
  if (kdf !== "weak" || !isPrecious(network)) return;
  throw new UsageError(`--insecure-keys is not for ${network}`, { fix: "leave it out" });
}

async function readIdentity(
  dataDir: string,
  definition: ClusterDefinition,
): Promise<{
  readonly secretKey: Uint8Array;
  readonly identity: Identity;
  readonly operators: readonly { readonly publicKey: Uint8Array }[];
}> {
  const { path, secretKey, warnings } = await readIdentityKey(await identityPath(dataDir));
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  const operators = definition.operators.map(({ enr }) => {
    const record = decodeEnr(enr);
    assert(record.ok, "a verified definition holds valid ENRs");
    return { publicKey: record.value.publicKey };
  });
  const publicKeys = operators.map(({ publicKey }) => publicKey);
  const identity = createIdentity({ secretKey, operators: publicKeys });
  if (identity !== null) return { secretKey, identity, operators };
  throw new UsageError(`${path} is no operator's key of this definition`, {
    fix: "name the data directory whose coterie enr is in the definition",
  });
}

function boardFor(
  { json }: DkgOptions,
  about: { readonly definition: ClusterDefinition; readonly self: number },
): Board {
  const board = new Board({
    ...about,
    fingerprint: fingerprintOf(rootOf(fieldBytes(about.definition.definition_hash))),
    style: json ? "json" : process.stdout.isTTY ? "terminal" : "lines",
    now: () => systemClock.now(),
    // Some terminals do not know their size and say 0.
    columns: () => process.stdout.columns || DEFAULT_COLUMNS,
    write: (text) => process.stdout.write(text),
  });
  if (!json && !process.stdout.isTTY) {
    process.stdout.write(`waiting for the other operators of ${about.definition.name}\n`);
  }
  return board;
}

async function conclude(end: CeremonyEnd, options: DkgOptions): Promise<ExitCode> {
  if (end.kind === "aborted") {
    const { culprit, reason } = end.abort;
    process.stderr.write(
      `error: ${reason}\nfix: the proof against operator ${culprit} is in ` +
        `${join(options.dataDir, "blame.json")}; talk to each other, then run coterie dkg again\n`,
    );
    return EXIT_CODES.invalid;
  }
  if (!options.json) process.stdout.write(await summaryOf(options.dataDir));
  if (end.kind === "finished") return EXIT_CODES.ok;
  const missing = end.missing.join(", ");
  process.stderr.write(
    `error: operators ${missing} have not confirmed that they wrote their files\n` +
      "fix: ask them; if they lack something, all run coterie dkg again, which loses nothing\n",
  );
  return EXIT_CODES.fault;
}

/** Everything that was written, with digests to compare. */
async function summaryOf(dataDir: string): Promise<string> {
  const names = (await readdir(dataDir)).filter(
    (name) => name.endsWith(".json") && !name.startsWith("dkg-") && name !== "blame.json",
  );
  const files = await Promise.all(
    names.sort().map(async (name) => {
      const digest = toHex(sha256(await readFile(join(dataDir, name)))).slice(2);
      return `  ${digest}  ${name}`;
    }),
  );
  const keys = (await readdir(join(dataDir, "validator_keys"))).length / 2;
  return [
    "",
    `in ${dataDir} (SHA-256; all but validator_keys are the same for every operator):`,
    ...files,
    `  ${keys} key share${keys === 1 ? "" : "s"} with passwords in validator_keys`,
    "",
    "next:",
    "  1. Back this directory up, offline: nobody else has your key shares.",
    `  2. Let somebody who is no operator check it: coterie dkg verify ${dataDir}`,
    "  3. Deposit with deposit-data*.json on the launchpad, when all operators have checked.",
    `  4. Run the node: coterie run --data-dir ${dataDir} --beacon-node-endpoints <url>`,
    "",
  ].join("\n");
}
