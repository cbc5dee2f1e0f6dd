import assert from "node:assert/strict";
import { test } from "node:test";
import { Command } from "commander";
import {
  addOptions,
  environmentName,
  type OptionSources,
  type RawOptions,
  resolveOptions,
} from "../../../src/cli/options.ts";
import { UsageError } from "../../../src/domain/errors.ts";

const SPECS = [
  { name: "data-dir", value: "dir", default: ".coterie", help: "x" },
  { name: "beacon-node-endpoints", value: "urls", help: "x" },
  { name: "no-verify", help: "x" },
  { name: "json", help: "x" },
] as const;

function resolve(argv: readonly string[], sources: Partial<OptionSources> = {}): RawOptions {
  const command = addOptions(new Command("test").exitOverride(), SPECS);
  command.parse([...argv], { from: "user" });
  return resolveOptions(command, SPECS, { environment: {}, file: {}, ...sources });
}

// CLI-2
test("a flag wins over the environment, that over the file, that over the default", () => {
  const environment = { COTERIE_DATA_DIR: "from-env" };
  const file = { "data-dir": "from-file" };
  assert.equal(resolve(["--data-dir", "flag"], { environment, file })["data-dir"], "flag");
  assert.equal(resolve(["--data-dir=.coterie"], { environment })["data-dir"], ".coterie");
  assert.equal(resolve([], { environment, file })["data-dir"], "from-env");
  assert.equal(resolve([], { file })["data-dir"], "from-file");
  assert.equal(resolve([])["data-dir"], ".coterie");
  assert.equal(resolve([])["beacon-node-endpoints"], undefined);
});

test("the environment's names are the flags' in capitals", () => {
  assert.equal(environmentName("beacon-node-endpoints"), "COTERIE_BEACON_NODE_ENDPOINTS");
});

test("an empty environment variable, as compose files make them, counts as absent", () => {
  assert.equal(resolve([], { environment: { COTERIE_DATA_DIR: "" } })["data-dir"], ".coterie");
});

test("a switch in the environment or the file is what it says, not that it is there", () => {
  for (const [value, expected] of [
    ["true", "true"],
    ["1", "true"],
    ["false", undefined],
    ["0", undefined],
  ] as const) {
    const environment = { COTERIE_NO_VERIFY: value };
    assert.equal(resolve([], { environment })["no-verify"], expected, value);
    assert.equal(resolve([], { file: { json: value } })["json"], expected, value);
  }
  assert.equal(resolve([], { file: { "no-verify": false } })["no-verify"], undefined);
  assert.equal(resolve(["--no-verify"])["no-verify"], "true");
  assert.equal(resolve([])["no-verify"], undefined);
  assert.throws(() => resolve([], { environment: { COTERIE_NO_VERIFY: "maybe" } }), UsageError);
});

test("a list in the file is joined as a flag would write it", () => {
  const file = { "beacon-node-endpoints": ["http://a", "http://b"] };
  assert.equal(resolve([], { file })["beacon-node-endpoints"], "http://a,http://b");
});

test("an unknown or ill-typed key of the file is an error that names it", () => {
  assert.throws(() => resolve([], { file: { datadir: "x" } }), /unknown key "datadir"/);
  assert.throws(() => resolve([], { file: { "data-dir": { a: 1 } } }), /data-dir .* neither text/);
});
