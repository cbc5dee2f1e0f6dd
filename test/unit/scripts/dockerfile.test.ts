import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { buildStages } from "../../../scripts/image/build.ts";
import { parseDockerfile } from "../../../scripts/image/dockerfile.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const TEXT = `
# A comment, and a variable.
ARG IMAGE=node:24-slim
FROM \${IMAGE} AS first
WORKDIR /build
COPY a.txt b/
RUN cp b/a.txt c.txt \\
    && echo done >> c.txt

FROM first AS second
ENV NAME=value
COPY --from=first /build/c.txt d.txt
USER 1000:1001
HEALTHCHECK --interval=5s CMD ["true"]
ENTRYPOINT ["node", "main.js"]
CMD ["run"]
`;

test("stages, their bases, and what a container starts", () => {
  const [first, second] = parseDockerfile(TEXT);
  assert.equal(first?.base, "node:24-slim");
  assert.equal(first?.user, null);
  assert.equal(second?.base, "first");
  assert.deepEqual(second?.user, { uid: 1000, gid: 1001 });
  assert.deepEqual(second?.entrypoint, ["node", "main.js"]);
  assert.deepEqual(second?.command, ["run"]);
  assert.deepEqual(second?.healthcheck, ["true"]);
});

test("what is not understood is an error, never a step that is skipped", () => {
  for (const line of [
    "ADD a b",
    "COPY --chown=1:1 a b",
    "COPY a",
    "USER node",
    "CMD run",
    "SHELL []",
  ]) {
    assert.throws(() => parseDockerfile(`FROM x AS y\n${line}`), Error, line);
  }
  assert.throws(() => parseDockerfile("RUN true"), /before any FROM/);
  assert.throws(() => parseDockerfile("FROM x"), /a stage needs a name/);
});

test("the steps are executed in the stages' folders", async (t) => {
  const [context, outputs] = [temporaryFolder(t), temporaryFolder(t)];
  writeFileSync(join(context, "a.txt"), "a\n");
  const steps: string[] = [];
  const built = await buildStages(parseDockerfile(TEXT), {
    context,
    outputs,
    environment: { PATH: process.env["PATH"] ?? "" },
    onStep: (line) => steps.push(line),
  });
  const second = built.get("second");
  assert(second !== undefined);
  assert.equal(readFileSync(join(second.root, "build/d.txt"), "utf8"), "a\ndone\n");
  assert.equal(second.workdir, "/build");
  assert.deepEqual(second.environment, { NAME: "value" });
  assert.equal(steps.length, 5);
});

test("a command that fails or would leave its folder stops the build", async (t) => {
  const build = (command: string) =>
    buildStages(parseDockerfile(`FROM x AS y\nWORKDIR /w\nRUN ${command}`), {
      context: ".",
      outputs: temporaryFolder(t),
      environment: { PATH: process.env["PATH"] ?? "" },
      onStep: () => undefined,
    });
  await assert.rejects(build("echo reason && false"), /exit code 1: .*\nreason/);
  await assert.rejects(build("rm -rf /data"), /names an absolute path/);
});
