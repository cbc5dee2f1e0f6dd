/** An execution client, asked whether a contract wallet made a signature (ERC-1271, DEF-6). */
import { Agent, request } from "undici";
import { z } from "zod";
import { FaultError } from "../../domain/errors.ts";
import type { Millis } from "../../domain/units.ts";
import { concatBytes, fromHex, toHex, uint64be } from "../../util/bytes.ts";

export type ExecutionClient = {
  chainId(): Promise<number>;
  /** Whether the contract says that `signature` over the 32-byte digest is its own. */
  isValidSignature(claim: {
    readonly address: string;
    readonly digest: Uint8Array;
    readonly signature: Uint8Array;
  }): Promise<boolean>;
  close(): Promise<void>;
};

/** `isValidSignature(bytes32,bytes)`, which is also what it answers for a valid one. */
const SELECTOR = Uint8Array.of(0x16, 0x26, 0xba, 0x7e);
const WORD_BYTES = 32;
const TIMEOUT_MS: Millis = 10_000;
const MAX_ANSWER_BYTES = 64 * 1024;

const answerSchema = z.object({
  result: z.string().optional(),
  error: z.object({ code: z.number(), message: z.string() }).optional(),
});

/** Every call throws FaultError `execution_unreachable` where there is no answer. */
export function createExecutionClient(endpoint: string): ExecutionClient {
  const agent = new Agent({ headersTimeout: TIMEOUT_MS, maxResponseSize: MAX_ANSWER_BYTES });
  const call = async (method: string, params: readonly unknown[]) => {
    try {
      const { body } = await request(endpoint, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
        dispatcher: agent,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      return answerSchema.parse(await body.json());
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      // The URL may hold a credential.
      throw new FaultError("execution_unreachable", reason, { cause: error });
    }
  };
  return {
    async chainId() {
      const { result, error } = await call("eth_chainId", []);
      const chainId = Number(result);
      if (Number.isSafeInteger(chainId) && chainId > 0) return chainId;
      throw new FaultError("execution_unreachable", error?.message ?? "it names no chain");
    },
    async isValidSignature({ address, digest, signature }) {
      const data = toHex(encodeCall(digest, signature));
      const { result, error } = await call("eth_call", [{ to: address, data }, "latest"]);
      // A contract that reverts, and an address without code, say no.
      if (error !== undefined) return false;
      const answer = fromHex(result ?? "0x") ?? new Uint8Array();
      return answer.length === WORD_BYTES && toHex(answer.subarray(0, 4)) === toHex(SELECTOR);
    },
    close: () => agent.destroy(),
  };
}

/** Solidity's ABI: the digest, then where the bytes begin, their length, and them padded. */
function encodeCall(digest: Uint8Array, signature: Uint8Array): Uint8Array {
  const padding = new Uint8Array(-signature.length & (WORD_BYTES - 1));
  const word = (value: number): Uint8Array => concatBytes(new Uint8Array(24), uint64be(value));
  const length = word(signature.length);
  return concatBytes(SELECTOR, digest, word(2 * WORD_BYTES), length, signature, padding);
}
