/**
 * `node scripts/imageSteps.ts [folder]`: the Dockerfile's steps in an empty folder of this machine,
 * and what the image would start, as another user and with nothing writable but its data. For
 * machines without a container engine.
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildImage } from "./image/image.ts";

const outputs = process.argv[2] ?? mkdtempSync(join(tmpdir(), "coterie-image-"));
const image = await buildImage(outputs, (line) => console.log(line));
const { code, output } = await image.start(["version"]);
console.log(`as ${image.user}: ${output.trim()} (exit code ${code})`);
console.log(`stages are in ${outputs}`);
process.exitCode = code ?? 1;
