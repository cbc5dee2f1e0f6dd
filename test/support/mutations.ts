/** Every way to change one leaf of a JSON tree, as a copy with the path of the changed leaf. */
import type { Json } from "../../src/util/json.ts";

export type Mutation = { readonly path: string; readonly tree: Json };

/** Per leaf one copy of `tree` in which that leaf, and nothing else, differs. */
export function mutationsOf(tree: Json): readonly Mutation[] {
  if (Array.isArray(tree)) {
    return tree.flatMap((item, i) =>
      mutationsOf(item).map(({ path, tree: changed }) => ({
        path: `[${i}]${path}`,
        tree: tree.with(i, changed),
      })),
    );
  }
  if (typeof tree === "object" && tree !== null) {
    return Object.entries(tree).flatMap(([key, value]) =>
      mutationsOf(value).map(({ path, tree: changed }) => ({
        path: `.${key}${path}`,
        tree: { ...tree, [key]: changed },
      })),
    );
  }
  return [{ path: "", tree: changedLeaf(tree as null | boolean | number | bigint | string) }];
}

function changedLeaf(leaf: null | boolean | number | bigint | string): Json {
  switch (typeof leaf) {
    case "boolean":
      return !leaf;
    case "number":
      return leaf + 1;
    case "bigint":
      return leaf + 1n;
    case "string":
      return changedText(leaf);
    default:
      return ["1"];
  }
}

/** Another text of the same kind: the last digit of hex and numbers, the last letter otherwise. */
function changedText(text: string): string {
  if (text === "") return "0x01";
  const last = text.at(-1) ?? "";
  const other = last === "1" ? "2" : "1";
  return text.slice(0, -1) + other;
}
