/** A data directory with records, and a running node's admin server over it, for backups. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { startAdminServer } from "../../src/adapters/http/adminServer.ts";
import { openAuditFiles } from "../../src/adapters/storage/auditFiles.ts";
import { openLevel } from "../../src/adapters/storage/level.ts";
import { systemClock } from "../../src/adapters/system/clock.ts";
import type { CreateOptions } from "../../src/cli/backup/create.ts";
import type { OpenSource } from "../../src/cli/backup/seal.ts";
import { readCluster } from "../../src/cli/clusterFile.ts";
import { createClusterFiles } from "../../src/cli/createCluster.ts";
import { adminToken, publishAdminAddress } from "../../src/cli/safety/adminFiles.ts";
import { adminRoutes } from "../../src/cli/safety/adminRoutes.ts";
import { openAudit } from "../../src/node/audit.ts";
import { AuditProjector } from "../../src/node/auditProjector.ts";
import { NodeSafetyControl, type SafetyControl } from "../../src/node/safetyControl.ts";
import { openFreezes } from "../../src/safety/freezes.ts";
import { openSlashingStore } from "../../src/safety/openSlashingStore.ts";
import { recordingLogger } from "./quiet.ts";
import { CHAIN, pubKey, root, sign, vote } from "./slashing.ts";

const ADDRESS = `0x${"a1".repeat(20)}` as const;

/** Data directories `node0` to `node3` in `folder`. */
export async function makeSquad(
  folder: string,
  forkVersion: `0x${string}` = "0x10000038",
): Promise<void> {
  await createClusterFiles({
    name: "coterie",
    clusterDir: folder,
    nodes: 4,
    threshold: 3,
    validators: 2,
    forkVersion,
    feeRecipients: [ADDRESS, ADDRESS],
    withdrawalAddresses: [ADDRESS, ADDRESS],
    hasInsecureKeys: true,
    split: null,
  });
}

export type Keys = { readonly recipient: string; readonly open: OpenSource };

/** An age key pair; the private key in a file. */
export async function makeKeys(folder: string, name: string): Promise<Keys> {
  const identity = await generateX25519Identity();
  const identityFile = join(folder, name);
  writeFileSync(identityFile, `# test\n${identity}\n`, { mode: 0o600 });
  const recipient = await identityToRecipient(identity);
  return { recipient, open: { passphraseFile: null, identityFile } };
}

export function createOptions(dataDir: string, out: string, { recipient }: Keys): CreateOptions {
  return {
    dataDir,
    out,
    seal: { passphraseFile: null, recipients: [recipient], recipientsFile: null },
    lockFile: null,
    privateKeyFile: null,
    validatorKeysDir: null,
    configFile: null,
    json: true,
  };
}

/** What a node keeps open of its data directory, with a control over it. */
export async function openNode(
  dataDir: string,
  auditSizes: { readonly maxFileBytes?: number; readonly maxFiles?: number } = {},
) {
  const store = await openLevel(join(dataDir, "db"));
  const auditFile = openAuditFiles({ directory: join(dataDir, "audit"), ...auditSizes });
  const slashing = await openSlashingStore(store, CHAIN);
  const freezes = await openFreezes(store);
  const audit = await openAudit({ store, clock: systemClock, version: "test" }, slashing);
  const logger = recordingLogger();
  const quiet = { clock: systemClock, logger, precursors: { count: () => undefined } };
  const projector = new AuditProjector({ audit, auditFile, ...quiet });
  assert.equal(await projector.open(), null);
  const cluster = await readCluster(join(dataDir, "cluster-lock.json"), new Set(), "");
  const control = new NodeSafetyControl({
    ...{ cluster, freezes, audit, projector, slashing, store, logger },
    foreign: { holds: [], release: () => false },
    admission: { resume: () => undefined },
    exchange: { settled: () => Promise.resolve() },
  });
  let target = 0;
  /** Votes of `validators` keys for the next epoch, each audited. */
  const signEpoch = async (validators: number): Promise<number> => {
    const epoch = ++target;
    const votes = Array.from({ length: validators }, (_, i) => pubKey(i + 1)).map((key) => {
      audit.append({ kind: "action", action: "sign", caller: "test", detail: `${key} ${epoch}` });
      return sign(slashing, vote(epoch - 1, epoch), { key, signingRoot: root(epoch) });
    });
    for (const { isApproved } of await Promise.all(votes)) assert(isApproved);
    return epoch;
  };
  return {
    control,
    projector,
    signEpoch,
    close: async (): Promise<void> => {
      await projector.project();
      await auditFile.close();
      await store.close();
    },
  };
}

type Served = {
  readonly control: SafetyControl | null;
  readonly status?: () => unknown;
  readonly routes?: typeof adminRoutes;
};

/** Serves a node as `coterie run` does; resolves with how to end it. */
export async function serveAdmin(
  dataDir: string,
  { control, status = () => null, routes = adminRoutes }: Served,
): Promise<() => Promise<void>> {
  const server = await startAdminServer({
    host: "127.0.0.1",
    port: 0,
    token: await adminToken(dataDir),
    routes: routes({
      control: () => control,
      status,
      cluster: { validator: () => undefined },
    }),
    onBug: (error) => {
      throw error;
    },
  });
  await publishAdminAddress(dataDir, `http://127.0.0.1:${server.port}`);
  return () => server.close();
}
