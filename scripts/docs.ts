/**
 * Writes docs/errors.md from the error table; with `check`, fails when the page is out of date.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ERRORS, type ErrorCode, messageOf } from "../src/domain/errors.ts";
import { ROOT } from "./repository.ts";

const PAGE = join(ROOT, "docs/errors.md");

const KINDS = [
  {
    kind: "rejection",
    title: "Rejections",
    text: "A peer or a validator client sent something unacceptable. It is dropped and counted.",
    column: "sender",
    detail: (code: ErrorCode) => penaltyOf(code),
  },
  {
    kind: "refusal",
    title: "Refusals",
    text: "Safety said no. Never retried; a human should look.",
    column: "HTTP status",
    detail: (code: ErrorCode) => statusOf(code),
  },
  {
    kind: "fault",
    title: "Faults",
    text: "The world failed: beacon node, disk or network.",
    column: "retried",
    detail: (code: ErrorCode) => retryOf(code),
  },
] as const;

const page = renderPage();
if (process.argv[2] === "check") {
  if (readPage() !== page) {
    console.log("docs/errors.md is out of date; run: npm run docs");
    process.exitCode = 1;
  }
} else {
  mkdirSync(dirname(PAGE), { recursive: true });
  writeFileSync(PAGE, page);
}

function renderPage(): string {
  const intro =
    "Codes as they appear in logs, metrics and HTTP answers. Generated: `npm run docs`.";
  const sections = KINDS.map(({ kind, title, text, column, detail }) => {
    const codes = (Object.keys(ERRORS) as ErrorCode[]).filter((code) => ERRORS[code].kind === kind);
    const rows = codes.map((code) => `| \`${code}\` | ${messageOf(code)} | ${detail(code)} |`);
    return [
      `## ${title}`,
      "",
      text,
      "",
      `| code | meaning | ${column} |`,
      "|---|---|---|",
      ...rows,
    ];
  });
  return `${[["# Errors", "", intro], ...sections].map((part) => part.join("\n")).join("\n\n")}\n`;
}

function penaltyOf(code: ErrorCode): string {
  const row = ERRORS[code];
  return row.kind === "rejection" && row.penalty === "reject" ? "penalised" : "not penalised";
}

function statusOf(code: ErrorCode): string {
  const row = ERRORS[code];
  return row.kind === "refusal" ? `${row.httpStatus}` : "";
}

function retryOf(code: ErrorCode): string {
  const row = ERRORS[code];
  return row.kind === "fault" && row.retryable ? "within the duty's deadline" : "no";
}

function readPage(): string | null {
  try {
    return readFileSync(PAGE, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
