/** Registrations with block builders as the Builder API takes them (builder specs). */
import type { ClusterLock } from "./lock.ts";

/** The body of `POST /eth/v1/builder/validators`: numbers as decimal texts. */
export function writeBuilderRegistrations(lock: ClusterLock): string {
  const registrations = lock.distributed_validators.flatMap(({ builder_registration: entry }) =>
    entry === undefined
      ? []
      : [
          {
            message: {
              fee_recipient: entry.message.fee_recipient,
              gas_limit: String(entry.message.gas_limit),
              timestamp: String(entry.message.timestamp),
              pubkey: entry.message.pubkey,
            },
            signature: entry.signature,
          },
        ],
  );
  return `${JSON.stringify(registrations, null, 1)}\n`;
}
