/**
 * What the files of a backup come to, file by file as they pass: whose node it is, and whether the
 * next start would find what it needs (BACKUP-2). Nothing is written.
 */
import { z } from "zod";
import { recordsOf } from "../../adapters/storage/storeDump.ts";
import { type ClusterLock, parseLock } from "../../cluster/lock.ts";
import { decodeEnr } from "../../crypto/enr.ts";
import { createIdentity, parseIdentityKey } from "../../crypto/identity.ts";
import { sha256Root } from "../../crypto/sha256.ts";
import { UsageError } from "../../domain/errors.ts";
import type { Root } from "../../domain/keys.ts";
import { MAX_JSON_DEPTH } from "../../domain/limits.ts";
import { type AuditHead, NO_ENTRIES } from "../../safety/auditLog.ts";
import { AuditVerifier } from "../../safety/auditVerify.ts";
import { parseQuotedJson } from "../../util/json.ts";
import { labelOf, passwordPath } from "../keystoreFiles.ts";
import type { ArchiveFile } from "./archive.ts";
import {
  AUDIT_NAME,
  AUDIT_REMOVED,
  IDENTITY_NAME,
  KEYSTORE_NAME,
  LOCK_FILE,
  RECORDS_NAME,
} from "./files.ts";
import { type OpenedImage, openImage, StoreImage } from "./storeImage.ts";

const removedSchema = z.object({ sequence: z.int().min(0), hash: z.string() });

export type Owner = {
  readonly lock_hash: string;
  /** Counted from 0, in the lock's order. */
  readonly operator: number;
  readonly key_shares: number;
};

export class Contents {
  readonly #image = new StoreImage();
  #opened: OpenedImage | null = null;
  #lock: ClusterLock | null = null;
  #secretKey: Uint8Array | null = null;
  /** Public keys that keystores claim, by the keystore's name. */
  readonly #labels = new Map<string, string | null>();
  readonly #passwords = new Set<string>();
  /** What retention had removed. */
  #removed: AuditHead = NO_ENTRIES;
  #audit: AuditVerifier | null = null;
  readonly #problems: string[] = [];

  /** The next file; records come before the audit log. */
  async take({ name, data }: ArchiveFile): Promise<void> {
    if (RECORDS_NAME.test(name)) {
      for (const record of await recordsOf(data)) this.#image.add(record);
      return;
    }
    const text = new TextDecoder().decode(data);
    if (name === LOCK_FILE) this.#takeLock(text);
    else if (IDENTITY_NAME.test(name)) this.#secretKey = parseIdentityKey(text);
    else if (name === AUDIT_REMOVED) this.#takeRemoved(text);
    else if (AUDIT_NAME.test(name)) await this.#takeAudit(name, text);
    else if (KEYSTORE_NAME.test(name) && name.endsWith(".json")) {
      this.#labels.set(name, labelOf(text));
    } else if (KEYSTORE_NAME.test(name)) this.#passwords.add(name);
  }

  get records(): number {
    return this.#image.size;
  }

  /** Why no node would start from it; none where one would. */
  async problems(): Promise<readonly string[]> {
    const problems = [...this.#problems];
    if (this.#lock === null) problems.push("it has no readable cluster-lock.json");
    if (this.#secretKey === null) problems.push("it has no readable identity key");
    else if (this.#lock !== null && this.#operator() === null) {
      problems.push("its identity key is no operator's of its cluster lock");
    }
    for (const name of this.#labels.keys()) {
      if (!this.#passwords.has(passwordPath(name))) problems.push(`${name} has no password file`);
    }
    const opened = await this.#open();
    if (opened !== null) problems.push(...this.#auditProblems(opened));
    return problems;
  }

  /** Throws UsageError where it is nobody's. */
  about(): Owner {
    const operator = this.#operator();
    if (operator === null || this.#lock === null) {
      throw new UsageError("the backup has no identity key of its cluster lock");
    }
    return { lock_hash: this.#lock.lock_hash, operator, key_shares: this.#keyShares() };
  }

  /** In words. */
  summary(): string {
    const { operator, key_shares: shares, lock_hash: hash } = this.about();
    const validators = this.#lock?.distributed_validators.length ?? 0;
    return (
      `operator ${operator} of cluster ${hash.slice(0, 10)}, key shares of ${shares} of ` +
      `${validators} validators, ${this.#image.size} records of ${this.#opened?.validators ?? 0}`
    );
  }

  /** What its owner should know, though a node would start from it. */
  notes(): readonly string[] {
    const missing = (this.#lock?.distributed_validators.length ?? 0) - this.#keyShares();
    const keys = `note: it has no key share of ${missing} validators; who else holds them?`;
    const history = "note: it has no slashing history: this node has never run";
    return [...(missing > 0 ? [keys] : []), ...(this.#opened === null ? [history] : [])];
  }

  #takeLock(text: string): void {
    const parsed = parseLock(text);
    if (parsed.ok) this.#lock = parsed.value;
  }

  #takeRemoved(text: string): void {
    const json = parseQuotedJson(text, MAX_JSON_DEPTH);
    const removed = removedSchema.safeParse(json.ok ? json.value : null);
    if (removed.success) this.#removed = { ...removed.data, hash: removed.data.hash as Root };
    else this.#problems.push(`${AUDIT_REMOVED} is not readable`);
  }

  async #takeAudit(name: string, text: string): Promise<void> {
    const opened = await this.#open();
    if (opened === null) return;
    const audit = this.#auditOf(opened);
    for (const [index, line] of text.trimEnd().split("\n").entries()) {
      audit.read(line, `${name}:${index + 1}`);
    }
  }

  /** Lines that the files lack are still among the records. */
  #auditProblems(opened: OpenedImage): readonly string[] {
    const audit = this.#auditOf(opened);
    for (const { sequence, text } of opened.audit.batches.flatMap(({ lines }) => lines)) {
      if (sequence > audit.last) audit.read(text, `entry ${sequence} of the records`);
    }
    return audit.finish().problems;
  }

  #auditOf({ audit }: OpenedImage): AuditVerifier {
    // Of more lines than one page holds, the records' end is not compared.
    const head = audit.next === null ? audit.head : null;
    const anchors = { start: this.#removed, head, isGrowing: false };
    this.#audit ??= new AuditVerifier(anchors, sha256Root);
    return this.#audit;
  }

  async #open(): Promise<OpenedImage | null> {
    this.#opened ??= await openImage(this.#image);
    return this.#opened;
  }

  #operator(): number | null {
    if (this.#lock === null || this.#secretKey === null) return null;
    const operators = this.#lock.cluster_definition.operators.map(({ enr }) => {
      const record = decodeEnr(enr);
      return record.ok ? record.value.publicKey : new Uint8Array();
    });
    return createIdentity({ secretKey: this.#secretKey, operators })?.self ?? null;
  }

  #keyShares(): number {
    const operator = this.#operator();
    if (operator === null || this.#lock === null) return 0;
    const labels = new Set(this.#labels.values());
    return this.#lock.distributed_validators.filter(({ public_shares: shares }) =>
      labels.has(shares[operator]?.toLowerCase() ?? ""),
    ).length;
  }
}
