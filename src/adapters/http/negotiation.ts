/** Which encoding a body has and which one the client wants (RFC 9110, §12.5.1; API-2). */

export const MEDIA_TYPES = {
  json: "application/json",
  ssz: "application/octet-stream",
} as const;
export type WireFormat = keyof typeof MEDIA_TYPES;

type MediaRange = {
  readonly type: string;
  /** 0 to 1. */
  readonly quality: number;
};

/**
 * The offered format that the `Accept` header ranks highest, the first offered on a tie or without
 * a header; null when it accepts none.
 */
export function responseFormat(
  accept: string | undefined,
  offered: readonly WireFormat[],
): WireFormat | null {
  const ranges = accept === undefined ? [ANYTHING] : parseAccept(accept);
  let best: WireFormat | null = null;
  let bestQuality = 0;
  for (const format of offered) {
    const quality = qualityOf(MEDIA_TYPES[format], ranges);
    if (quality <= bestQuality) continue;
    best = format;
    bestQuality = quality;
  }
  return best;
}

/** Null for any other type; a body without one is JSON, as with tools that leave it out. */
export function requestFormat(contentType: string | undefined): WireFormat | null {
  const type = (contentType ?? MEDIA_TYPES.json).split(";")[0]?.trim().toLowerCase();
  if (type === MEDIA_TYPES.json) return "json";
  return type === MEDIA_TYPES.ssz ? "ssz" : null;
}

const ANYTHING: MediaRange = { type: "*/*", quality: 1 };

function parseAccept(accept: string): readonly MediaRange[] {
  return accept.split(",").flatMap((item) => {
    const [type = "", ...parameters] = item.split(";").map((part) => part.trim().toLowerCase());
    if (!/^[^\s/]+\/[^\s/]+$/.test(type)) return [];
    const weight = parameters.find((parameter) => parameter.startsWith("q="));
    const quality = weight === undefined ? 1 : Number(weight.slice(2));
    return quality >= 0 && quality <= 1 ? [{ type, quality }] : [];
  });
}

/** The most specific range decides. */
function qualityOf(type: string, ranges: readonly MediaRange[]): number {
  const patterns = [type, `${type.split("/")[0]}/*`, "*/*"];
  for (const pattern of patterns) {
    const matching = ranges.filter((range) => range.type === pattern);
    if (matching.length > 0) return Math.max(...matching.map(({ quality }) => quality));
  }
  return 0;
}
