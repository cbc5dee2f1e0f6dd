/**
 * Secrets never travel on the command line, where every user of the machine can read them
 * (CLI-4). What looks like one is refused by the name of its flag; its value is never repeated.
 */
import { UsageError } from "../domain/errors.ts";

const SECRET_FLAG =
  /^--[a-z-]*(private-key|password|passphrase|mnemonic|secret|seed|token)[a-z-]*$/;
/** Flags that name where a secret lies, not the secret. */
const PLACE_FLAG = /-(file|dir)$/;
const KEY_TEXT = /^(0x)?[0-9a-fA-F]{64}$/;
const URL_WITH_PASSWORD = /https?:\/\/[^/\s@]*:[^/\s@]*@/;

export function refuseSecretsIn(argv: readonly string[]): void {
  for (const [index, argument] of argv.entries()) {
    const [flag = "", inlineValue] = splitAtEquals(argument);
    const value = inlineValue ?? argv[index + 1] ?? "";
    if (SECRET_FLAG.test(flag) && !PLACE_FLAG.test(flag)) {
      throw secretError(flag, "put the secret into a file and name it, e.g. --private-key-file");
    }
    if (PLACE_FLAG.test(flag) && KEY_TEXT.test(value)) {
      throw secretError(flag, `put the key into a file (mode 0600) and give its path to ${flag}`);
    }
    if (URL_WITH_PASSWORD.test(argument)) {
      throw secretError("a URL", "set COTERIE_BEACON_NODE_ENDPOINTS, or write it into --config");
    }
  }
}

function splitAtEquals(argument: string): readonly [string, string?] {
  const at = argument.indexOf("=");
  return at < 0 ? [argument] : [argument.slice(0, at), argument.slice(at + 1)];
}

function secretError(where: string, fix: string): UsageError {
  return new UsageError(
    `${where} carries a secret on the command line, where every user of this machine can read it`,
    { fix },
  );
}
