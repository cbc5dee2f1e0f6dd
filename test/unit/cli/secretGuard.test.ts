import assert from "node:assert/strict";
import { test } from "node:test";
import { refuseSecretsIn } from "../../../src/cli/secretGuard.ts";
import { UsageError } from "../../../src/domain/errors.ts";

const KEY = "6b".repeat(32);

// CLI-4
for (const argv of [
  ["run", "--private-key-hex", KEY],
  ["run", `--private-key=${KEY}`],
  ["run", "--keystore-password", KEY],
  ["run", `--mnemonic=${KEY}`],
  ["run", "--private-key-file", KEY],
  ["run", `--private-key-file=0x${KEY}`],
  ["run", "--beacon-node-endpoints", `http://user:${KEY}@host:5052`],
  ["run", `--beacon-node-endpoints=http://a:5052,https://user:${KEY}@host`],
]) {
  test(`refuses ${argv.join(" ").replace(KEY, "…")} without repeating the secret`, () => {
    assert.throws(
      () => refuseSecretsIn(argv),
      (error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, /carries a secret on the command line/);
        assert.ok(!`${error.message} ${error.fix}`.includes(KEY));
        return true;
      },
    );
  });
}

test("lets through the places where secrets lie, and hashes", () => {
  refuseSecretsIn(["run", "--private-key-file", "/run/secrets/enr-private-key"]);
  refuseSecretsIn(["run", "--validator-keys-dir=keys", "--insecure-keys"]);
  refuseSecretsIn(["verify", "lock", KEY]);
  refuseSecretsIn(["run", "--beacon-node-endpoints", "http://[::1]:5052,http://host:5052/@me"]);
});
