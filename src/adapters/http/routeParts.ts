import type { Logger } from "../../ports/logger.ts";
import type { ValidatorApi } from "../../ports/validatorApi.ts";
import { HttpProblem } from "./exchange.ts";
import type { KeyNames } from "./keyNames.ts";
import type { ReadyAnswers } from "./readyAnswers.ts";
import type { UpstreamClient } from "./upstreamClient.ts";

/** What the routes that are not passed on work with. */
export type RouteParts = {
  readonly upstream: UpstreamClient;
  readonly names: KeyNames;
  readonly ready: ReadyAnswers;
  /** The answer of `node/version`. */
  readonly version: string;
  /** Null until the node runs: it waits for a beacon node, the server does not. */
  readonly api: () => ValidatorApi | null;
  readonly logger: Logger;
};

/** Throws {@link HttpProblem} 503 until the node runs. */
export function runningApi({ api }: RouteParts): ValidatorApi {
  const running = api();
  if (running !== null) return running;
  throw new HttpProblem(503, "the node is starting: it waits for a beacon node of its chain");
}
