/** `coterie verify …`: checks that anybody can make, offline, with files alone. */
import type { Command } from "commander";
import { isOn, JSON_OUTPUT, rawOptions, type WithAction } from "./commandParts.ts";
import { CONTRACT_WALLETS, parseContractWallets } from "./config.ts";
import { EXIT_CODES, type ExitCode } from "./exitCodes.ts";
import { addOptions } from "./options.ts";

export const VERIFY_OPTIONS = [CONTRACT_WALLETS, JSON_OUTPUT] as const;

export function addVerify(program: Command, withAction: WithAction): void {
  const verify = program.command("verify").description("check files, offline");
  const lock = verify
    .command("lock")
    .description("check every hash and signature of a cluster lock")
    .argument("<file>", "cluster-lock.json");
  withAction(addOptions(lock, VERIFY_OPTIONS), async (_, path = "") => {
    const { verifyLockFile } = await import("./verifyLock.ts");
    const wallets = rawOptions(lock, VERIFY_OPTIONS)[CONTRACT_WALLETS.name];
    const contractWallets = parseContractWallets(wallets);
    const report = await verifyLockFile({ path, contractWallets, json: isOn(lock, JSON_OUTPUT) });
    process.stdout.write(report.text);
    return report.isValid ? EXIT_CODES.ok : EXIT_CODES.invalid;
  });
  const deposit = verify
    .command("deposit")
    .description("check a deposit file: by itself, or against the cluster lock too")
    .argument("<files...>", "deposit-data.json, and cluster-lock.json if it is at hand");
  withAction(addOptions(deposit, VERIFY_OPTIONS), (_, ...paths) => runVerifyFiles(deposit, paths));
  const transcript = verify
    .command("transcript")
    .description("check a ceremony's transcript against the cluster lock that came of it")
    .argument("<files...>", "transcript.json, cluster-lock.json, and deposit files");
  withAction(addOptions(transcript, VERIFY_OPTIONS), (_, ...paths) =>
    runVerifyFiles(transcript, paths),
  );
}

/** Checks all files together, whatever each of them is. */
export async function runVerifyFiles(
  command: Command,
  paths: readonly string[],
): Promise<ExitCode> {
  const { verifyFiles } = await import("./dkg/verifyFiles.ts");
  const wallets = rawOptions(command, VERIFY_OPTIONS)[CONTRACT_WALLETS.name];
  const contractWallets = parseContractWallets(wallets);
  const report = await verifyFiles({ paths, contractWallets, json: isOn(command, JSON_OUTPUT) });
  process.stdout.write(report.text);
  return report.isValid ? EXIT_CODES.ok : EXIT_CODES.invalid;
}
