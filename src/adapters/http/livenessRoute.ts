/**
 * Who was active, for a validator client that looks for a second signer of its keys before it
 * starts (FOREIGN-7): the beacon node's answer, with the cluster's own activity taken out.
 */
import { z } from "zod";
import {
  chooseFormat,
  HttpProblem,
  jsonReply,
  parseNumber,
  type Reply,
  readBody,
  type VcRequest,
} from "./exchange.ts";
import { parseAnswer } from "./keyRoutes.ts";
import { MEDIA_TYPES } from "./negotiation.ts";
import { type RouteParts, runningApi } from "./routeParts.ts";

const INDICES = z.array(z.string().regex(/^\d{1,15}$/));
const ANSWER = z
  .object({
    data: z.array(
      z.object({ index: z.string().regex(/^\d{1,15}$/), is_live: z.boolean() }).loose(),
    ),
  })
  .loose();

export async function listLiveness(request: VcRequest, parts: RouteParts): Promise<Reply> {
  chooseFormat(request, ["json"]);
  const epoch = parseNumber("epoch", request.params["epoch"] ?? null);
  const body = await readBody(request, ["json"]);
  const asked = INDICES.safeParse(body.format === "json" ? body.json : null);
  if (!asked.success) throw new HttpProblem(400, "the body must be a list of indices as texts");
  const own = new Set(await runningApi(parts).ownActivity(asked.data.map(Number), request.signal));
  const { status, contentType, bytes } = await parts.upstream.ask(
    {
      method: "POST",
      url: `/eth/v1/validator/liveness/${epoch}`,
      headers: { accept: MEDIA_TYPES.json, "content-type": MEDIA_TYPES.json },
      body: Buffer.from(JSON.stringify(asked.data)),
    },
    request.signal,
  );
  if (status !== 200) return { status, headers: { "content-type": contentType }, body: bytes };
  const answer = ANSWER.safeParse(parseAnswer(bytes));
  if (!answer.success) throw new HttpProblem(503, "the beacon node sent no list of activity");
  const data = answer.data.data.map((each) =>
    own.has(Number(each.index)) ? { ...each, is_live: false } : each,
  );
  return jsonReply({ ...answer.data, data });
}
