/**
 * The house rules that neither the compiler, biome nor the import graph can hold (DESIGN §12):
 * banned names each with its replacement, sizes, and who may mint a brand. Pure: text in,
 * problems out; scripts/tidy.ts finds the files.
 */
import ts from "typescript";

export type Problem = {
  readonly path: string;
  /** 1-based. */
  readonly line: number;
  readonly message: string;
};

export const MAX_FUNCTION_LINES = 70;
export const MAX_FILE_LINES = 600;
/** Above this a file is named, so that it is split before it reaches the hard limit. */
export const SOFT_FILE_LINES = 400;
export const MAX_COLUMNS = 100;
export const MAX_POSITIONAL_PARAMETERS = 3;

/** Global names that reach the outside world, with what replaces them behind the ports. */
const WORLD = new Map(
  Object.entries({
    "Date.now": "clock.now()",
    "new Date": "clock.now()",
    performance: "clock.monotonic()",
    setTimeout: "clock.at() or clock.sleep()",
    setInterval: "clock.at()",
    setImmediate: "clock.at()",
    "AbortSignal.timeout": "clock.at() and an AbortController",
    "Math.random": "the Random port",
    randomBytes: "the Random port",
    "crypto.getRandomValues": "the Random port",
    "crypto.subtle": "crypto/sha256 (the thread pool breaks replay)",
    process: "a configuration value, or src/cli",
    fetch: "a port with an adapter",
    console: "the Logger port",
    globalThis: "a port",
    WeakRef: "an owner with a lifetime (garbage collection breaks replay)",
    FinalizationRegistry: "an owner with a lifetime (garbage collection breaks replay)",
  }),
);
const MINTS = {
  Verified: "src/core/signatureVerifier.ts",
  Admitted: "src/safety/gate.ts",
} as const;
const FORKS = /\b(altair|bellatrix|capella|deneb|electra|fulu|gloas|heze)\b/i;
// Spelled in parts, so that this file passes its own rule.
const UNFINISHED = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`);

/** Every problem of one TypeScript file; `path` is relative to the repository, with slashes. */
export function inspectSource(path: string, text: string): readonly Problem[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const problems: Problem[] = [...inspectLines(path, text)];
  const visit = (node: ts.Node): void => {
    for (const message of messagesOf(path, node)) {
      problems.push({ path, line: lineOf(source, node.getStart(source)), message });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return problems;
}

/** A note when a file passed the soft limit, which fails nothing. */
export function fileSizeNote(path: string, text: string): string | null {
  const lines = text.split("\n").length - 1;
  return lines > SOFT_FILE_LINES ? `${path}: ${lines} lines, aim for ${SOFT_FILE_LINES}` : null;
}

/**
 * Every problem of one Markdown file: a title first, no skipped heading level, closed fences, and
 * links to files that exist.
 */
export function inspectMarkdown(
  path: string,
  text: string,
  exists: (relativePath: string) => boolean,
): readonly Problem[] {
  const problems: Problem[] = [];
  let level = 0;
  let fenceLine = 0;
  for (const [index, line] of text.split("\n").entries()) {
    const report = (message: string): void => {
      problems.push({ path, line: index + 1, message });
    };
    if (line.trimEnd() !== line) report("trailing whitespace");
    if (UNFINISHED.test(line)) report("finish it or open an issue");
    if (line.startsWith("```")) fenceLine = fenceLine === 0 ? index + 1 : 0;
    if (fenceLine !== 0) continue;
    const heading = /^(#+) /.exec(line)?.[1]?.length ?? 0;
    if (heading > level + 1) report(`heading level ${heading} after level ${level}`);
    if (heading === 1 && index > 0) report("one title per file, on its first line");
    if (heading > 0) level = heading;
    for (const target of linkTargets(line)) {
      if (!exists(target)) report(`the link's target ${target} does not exist`);
    }
  }
  if (!text.startsWith("# ")) problems.push({ path, line: 1, message: "begin with a # title" });
  if (fenceLine !== 0) problems.push({ path, line: fenceLine, message: "an unclosed code fence" });
  return problems;
}

/** Local files that the line links to, without their anchors. */
function linkTargets(line: string): readonly string[] {
  const plain = line.replaceAll(/`[^`]*`/g, "");
  return [...plain.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => (match[1] ?? "").split("#")[0] ?? "")
    .filter((target) => target !== "" && !/^[a-z]+:/.test(target));
}

function inspectLines(path: string, text: string): readonly Problem[] {
  const problems: Problem[] = [];
  const lines = text.split("\n");
  const report = (line: number, message: string): void => {
    problems.push({ path, line, message });
  };
  if (!text.endsWith("\n")) report(lines.length, "the file must end with a newline");
  if (lines.length - 1 > MAX_FILE_LINES) {
    report(MAX_FILE_LINES, `${lines.length - 1} lines; split the file (at most ${MAX_FILE_LINES})`);
  }
  for (const [index, line] of lines.entries()) {
    if ([...line].length > MAX_COLUMNS && !isUnbreakable(line)) {
      report(index + 1, `${[...line].length} columns; at most ${MAX_COLUMNS}`);
    }
    if (line.trimEnd() !== line) report(index + 1, "trailing whitespace");
    const unfinished = UNFINISHED.exec(line);
    if (unfinished !== null) report(index + 1, `${unfinished[0]}: finish it or open an issue`);
    const fork = isForkBlind(path) ? FORKS.exec(line) : null;
    if (fork !== null) {
      report(index + 1, `"${fork[0]}": a fork is a row of src/eth2/forks.ts, named nowhere else`);
    }
  }
  return problems;
}

/** A word that no formatter can break (address, digest), or a link. */
function isUnbreakable(line: string): boolean {
  return /\S{80,}/.test(line) || /https?:\/\//.test(line);
}

function messagesOf(path: string, node: ts.Node): readonly string[] {
  const messages: string[] = [];
  if (isWorldBlind(path)) messages.push(...worldMessages(node));
  const brand = mintedBrand(node);
  if (brand !== null && isProduct(path) && path !== MINTS[brand]) {
    messages.push(`only ${MINTS[brand]} may mint ${brand}`);
  }
  if (isSwallowingCatch(node)) messages.push("a swallowed error: handle it, or say who does");
  if (ts.isFunctionLike(node)) messages.push(...shapeMessages(path, node));
  return messages;
}

/** The edges: what may reach the world, and the simulator's loop, which drains Node's own. */
const EDGES = /^src\/(adapters|cli)\/|^src\/main\.ts$|^sim\/(main|loop)\.ts$/;

/** Product code behind the ports: everything but the edges, the scripts and the tests. */
function isWorldBlind(path: string): boolean {
  return isProduct(path) && !EDGES.test(path);
}

function isProduct(path: string): boolean {
  return /^(src|sim)\//.test(path) && !path.startsWith("sim/devchain/");
}

function isForkBlind(path: string): boolean {
  return path.startsWith("src/") && !/^src\/(eth2|wire\/generated)\//.test(path);
}

function worldMessages(node: ts.Node): readonly string[] {
  const name = worldNameOf(node);
  const replacement = name === null ? undefined : WORLD.get(name);
  return replacement === undefined ? [] : [`${name} reaches the world; use ${replacement}`];
}

/** The banned form of an expression that starts here, e.g. `Date.now` or `fetch`. */
function worldNameOf(node: ts.Node): string | null {
  if (ts.isNewExpression(node)) {
    const text = node.expression.getText();
    return text === "Date" ? "new Date" : null;
  }
  if (ts.isPropertyAccessExpression(node)) return node.getText().replaceAll("?.", ".");
  if (ts.isIdentifier(node) && isFreeName(node)) return node.text;
  if (ts.isImportSpecifier(node)) return (node.propertyName ?? node.name).text;
  return null;
}

/** Whether the identifier reads a variable, rather than naming a member, a type or itself. */
function isFreeName(node: ts.Identifier): boolean {
  const parent = node.parent;
  if (ts.isTypeNode(parent) || ts.isQualifiedName(parent)) return false;
  if (ts.isImportSpecifier(parent) || ts.isExportSpecifier(parent)) return false;
  return !("name" in parent && parent.name === node);
}

function mintedBrand(node: ts.Node): keyof typeof MINTS | null {
  if (!ts.isAsExpression(node)) return null;
  const name = /^(Verified|Admitted)\b/.exec(node.type.getText())?.[1];
  return name === "Verified" || name === "Admitted" ? name : null;
}

function isSwallowingCatch(node: ts.Node): boolean {
  if (ts.isCatchClause(node)) return node.block.statements.length === 0;
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return false;
  const [handler] = node.arguments;
  if (node.expression.name.text !== "catch" || handler === undefined) return false;
  if (!ts.isArrowFunction(handler)) return false;
  const body = handler.body;
  return ts.isBlock(body) ? body.statements.length === 0 : body.getText() === "undefined";
}

function shapeMessages(path: string, node: ts.SignatureDeclaration): readonly string[] {
  const messages: string[] = [];
  const name = node.name?.getText() ?? "a function";
  const parameters = node.parameters.filter((parameter) => parameter.name.getText() !== "this");
  if (parameters.length > MAX_POSITIONAL_PARAMETERS && !isCallback(node)) {
    messages.push(`${name} takes ${parameters.length} parameters; pass one options object`);
  }
  const source = node.getSourceFile();
  const lines = lineOf(source, node.end) - lineOf(source, node.getStart(source)) + 1;
  if (lines > MAX_FUNCTION_LINES && !(path.startsWith("test/") && isCallback(node))) {
    messages.push(`${name} has ${lines} lines; at most ${MAX_FUNCTION_LINES}`);
  }
  return messages;
}

/** A function handed to a call: its shape is the callee's choice (`describe`, an event handler). */
function isCallback(node: ts.Node): boolean {
  return ts.isCallExpression(node.parent) && node.parent.arguments.some((each) => each === node);
}

function lineOf(source: ts.SourceFile, position: number): number {
  return source.getLineAndCharacterOfPosition(position).line + 1;
}
