/** Writes EIP-2335 keystores with fresh random passwords beside them. */
import { writeFile } from "node:fs/promises";
import { systemRandom } from "../adapters/system/random.ts";
import { encryptKeystore, type KeystoreKdf } from "../crypto/keystore.ts";
import { toHex } from "../util/bytes.ts";

export type KeystoreToWrite = {
  /** Without extension: `.json` is the keystore, `.txt` its password. */
  readonly base: string;
  readonly secret: Uint8Array;
};

export type KeystoreStyle = {
  readonly kdf: KeystoreKdf;
  readonly keystoreMode: number;
  readonly passwordMode: number;
  /** Called after each; a line on the terminal counts where absent. */
  readonly onWritten?: (done: number) => void;
};

/** EIP-2334 path that Charon writes for every key. */
const KEY_PATH = "m/12381/3600/0/0/0";
const PASSWORD_BYTES = 16;
/** Node's thread pool derives this many keys at once. */
const PARALLEL_KEYSTORES = 4;
const PROGRESS_MS = 200;

export async function writeKeystores(
  keystores: readonly KeystoreToWrite[],
  { kdf, keystoreMode, passwordMode, onWritten }: KeystoreStyle,
): Promise<void> {
  const waiting = [...keystores];
  const progress = onWritten === undefined ? createProgress("keystores", waiting.length) : null;
  let done = 0;
  const writeNext = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      const { secret, base } = item;
      const password = toHex(systemRandom.bytes(PASSWORD_BYTES)).slice(2);
      const options = { secret, password, random: systemRandom, kdf, path: KEY_PATH } as const;
      await writeNew(`${base}.json`, await encryptKeystore(options), keystoreMode);
      await writeNew(`${base}.txt`, password, passwordMode);
      progress?.advance();
      onWritten?.(++done);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_KEYSTORES }, writeNext));
  progress?.end();
}

/** Synced: a key that is gone after a power cut is money that is gone. */
export function writeNew(path: string, data: string | Uint8Array, mode: number): Promise<void> {
  return writeFile(path, data, { flag: "wx", mode, flush: true });
}

type Progress = { advance(): void; end(): void };

/** One line that counts, on a terminal only: a log file needs no progress. */
function createProgress(what: string, total: number): Progress {
  if (!process.stderr.isTTY) return { advance: () => undefined, end: () => undefined };
  let done = 0;
  let shownAt = 0;
  return {
    advance() {
      done++;
      if (performance.now() - shownAt < PROGRESS_MS) return;
      shownAt = performance.now();
      process.stderr.write(`\r${what} ${done}/${total}`);
    },
    end: () => process.stderr.write(`\r${what} ${done}/${total}\n`),
  };
}
