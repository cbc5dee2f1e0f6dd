/**
 * REPORT-1: HTML and SVG as values. Text is escaped where it enters, so a component cannot
 * forget it: only
 * `html` makes Markup, and whatever it is given that is no Markup is text.
 */
const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export class Markup {
  readonly #text: string;

  private constructor(text: string) {
    this.#text = text;
  }

  /** Joins the literal parts of a template, which are ours, with values, which may be anybody's. */
  static of(parts: readonly string[], values: readonly Content[]): Markup {
    const text = parts.map(
      (part, index) => part + (index < values.length ? render(values[index]) : ""),
    );
    return new Markup(text.join(""));
  }

  toString(): string {
    return this.#text;
  }
}

export type Content = Markup | string | number | null | undefined | readonly Content[];

/** Makes markup of a template: its text stays as it is, its values are escaped. */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return Markup.of(parts, values);
}

function render(content: Content): string {
  if (content === null || content === undefined) return "";
  if (content instanceof Markup) return content.toString();
  if (typeof content === "object") return content.map(render).join("");
  if (typeof content === "number") return String(Math.round(content * 100) / 100);
  return content.replaceAll(/[&<>"']/g, (sign) => ESCAPES[sign] ?? "");
}
