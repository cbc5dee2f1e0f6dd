import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { askPreset } from "../../../src/cli/preset.ts";
import { UsageError } from "../../../src/domain/errors.ts";

/** A beacon node that answers config/spec with `body`; its URL with the path that was asked. */
async function serve(t: TestContext, body: string): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization ?? ""}`.trim());
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return { url: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const spec = (preset: string): string => JSON.stringify({ data: { PRESET_BASE: preset } });

test("CLI-5: the command line loads no types before the preset is chosen", () => {
  const program = join(import.meta.dirname, "../../../src/cli/program.ts");
  const script = `
    await import(${JSON.stringify(program)});
    process.env.LODESTAR_PRESET = "minimal";
    console.log((await import("@lodestar/params")).ACTIVE_PRESET);`;
  const { LODESTAR_PRESET: _, ...env } = process.env;
  const args = ["--input-type=module", "--eval", script];
  assert.equal(execFileSync(process.execPath, args, { env, encoding: "utf8" }).trim(), "minimal");
});

// CLI-5
test("takes the preset of the first beacon node that answers", async (t) => {
  const { url, asked } = await serve(t, spec("minimal"));
  const preset = await askPreset(["http://127.0.0.1:9", `http://${url}/`]);
  assert.equal(preset, "minimal");
  assert.deepEqual(asked, ["/eth/v1/config/spec"]);
});

test("sends a URL's credentials as a header", async (t) => {
  const { url, asked } = await serve(t, spec("mainnet"));
  assert.equal(await askPreset([`http://me:p%40ss@${url}/key`]), "mainnet");
  const header = Buffer.from("me:p@ss").toString("base64");
  assert.deepEqual(asked, [`/key/eth/v1/config/spec Basic ${header}`]);
});

test("no answer, no JSON and an endless answer are no preset, not an error", async (t) => {
  for (const body of ["", "<html>", "{}", '{"data":null}', " ".repeat(2_000_000)]) {
    const { url } = await serve(t, body);
    assert.equal(await askPreset([`http://${url}`]), null);
  }
  assert.equal(await askPreset(["http://127.0.0.1:9"]), null);
});

test("a preset that this release has no types for is an error that names it", async (t) => {
  const { url } = await serve(t, spec("giant"));
  await assert.rejects(askPreset([`http://${url}`]), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /unknown preset "giant"/);
    return true;
  });
});
