/** Answers against the Beacon API's own schema (beacon-APIs, bundled as OpenAPI 3.1). */
import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import { readVector } from "./vectors.ts";

type Operation = { readonly responses: Readonly<Record<string, unknown>> };

const SPEC = "beacon-api.json";
/** Bundled at the version that the vectors name. */
const PATHS = ["api-specs", "bundled", "beacon-APIs.json"] as const;

export class BeaconApiSchema {
  readonly #spec: { readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> };
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });

  constructor() {
    this.#spec = JSON.parse(readVector(...PATHS).toString());
    this.#ajv.addSchema({ $id: SPEC, ...this.#spec });
  }

  /**
   * Fails unless the JSON is what the route's response of that status may be; `path` is spelled
   * as in the specification, e.g. `/eth/v1/beacon/genesis`.
   */
  check(
    route: { readonly method: "get" | "post"; readonly path: string },
    answer: { readonly status: number; readonly body: unknown },
  ): void {
    const { method, path } = route;
    const responses = this.#spec.paths[path]?.[method]?.responses;
    assert.ok(responses !== undefined, `${method} ${path} is in the specification`);
    const { status, body } = answer;
    const name = `${method} ${path} ${status}`;
    assert.ok(responses[String(status)] !== undefined, `${name} is in the specification`);
    const pointer = this.#schemaOf(["paths", path, method, "responses", String(status)]);
    if (pointer === null) {
      assert.equal(body, "", `${name} has no body`);
      return;
    }
    const isValid = this.#ajv.validate({ $ref: `${SPEC}#${pointer}` }, body);
    const text = JSON.stringify(body)?.slice(0, 300);
    assert.ok(isValid, `${name}: ${this.#ajv.errorsText()} in ${text}`);
  }

  /**
   * Fails unless the JSON has the form of an error: of the kind that counts items, or of the plain
   * one. For statuses that the specification leaves out, such as a safety refusal's.
   */
  checkError(kind: "ErrorMessage" | "IndexedErrorMessage", body: unknown): void {
    const isValid = this.#ajv.validate({ $ref: `${SPEC}#/components/schemas/${kind}` }, body);
    assert.ok(isValid, `${kind}: ${this.#ajv.errorsText()} in ${JSON.stringify(body)}`);
  }

  /** Pointer of the JSON schema below a response, which may be a reference; null for no body. */
  #schemaOf(steps: readonly string[]): string | null {
    let at: unknown = this.#spec;
    let pointer = "";
    for (const step of [...steps, "content", "application/json", "schema"]) {
      const reference = Reflect.get(Object(at), "$ref");
      if (typeof reference === "string") {
        pointer = reference.slice(1);
        at = pointer
          .split("/")
          .slice(1)
          .reduce((node, part) => Reflect.get(Object(node), part), this.#spec as unknown);
      }
      at = Reflect.get(Object(at), step);
      if (at === undefined) return null;
      pointer += `/${step.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    }
    return pointer;
  }
}
