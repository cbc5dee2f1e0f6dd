/** `coterie sim report`: the page of a run whose trace was kept. */
import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { UsageError } from "../../src/domain/errors.ts";
import { RunReader } from "../report/runModel.ts";
import { runPage } from "../report/runPage.ts";

export async function reportTrace(
  path: string,
  { output, print }: { readonly output: string; readonly print: (line: string) => void },
): Promise<number> {
  const reader = new RunReader();
  let number = 0;
  for await (const line of createInterface({
    input: createReadStream(path),
    crlfDelay: Infinity,
  })) {
    number++;
    try {
      reader.takeLine(line);
    } catch (error) {
      throw new UsageError(`${path}: line ${number} is not an event: ${String(error)}`, {
        fix: "give a file that `coterie sim --trace` wrote",
      });
    }
  }
  const model = reader.model();
  await writeFile(output, runPage(model));
  print(`${output}: ${model.events} events, ${model.slots.length} slots with duties`);
  return 0;
}
