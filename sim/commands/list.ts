/** `coterie sim --list-scenarios` and `--list-behaviours`: what there is to choose from. */
import { BEHAVIOUR_NAMES, behaviourHelp } from "../byzantine/behaviours.ts";
import { listScenarios } from "../scenarioFiles.ts";

type Entry = { readonly name: string; readonly about: string };

export async function scenarioList(): Promise<readonly Entry[]> {
  const files = await listScenarios();
  return [
    { name: "calm", about: "Four nodes in one region, and nothing goes wrong." },
    { name: "swarm", about: "Everything is drawn from the seed." },
    ...files.map(({ scenario: { name }, about }) => ({ name, about })),
  ];
}

export function behaviourList(): readonly Entry[] {
  return BEHAVIOUR_NAMES.map((name) => ({ name, about: behaviourHelp(name) }));
}

/** One entry per line: columns for people, JSON objects for programs. */
export function listed(entries: readonly Entry[], isJson: boolean): string {
  const width = Math.max(...entries.map(({ name }) => name.length)) + 2;
  return entries
    .map((each) => (isJson ? JSON.stringify(each) : `${each.name.padEnd(width)}${each.about}`))
    .map((line) => `${line}\n`)
    .join("");
}
