import type { AuditFile } from "./auditFile.ts";
import type { BeaconNode } from "./beaconNode.ts";
import type { Bls } from "./bls.ts";
import type { Clock } from "./clock.ts";
import type { Identity } from "./identity.ts";
import type { InstanceLock } from "./instanceLock.ts";
import type { KeyValueStore } from "./keyValueStore.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import type { Network } from "./network.ts";
import type { PartialSigner } from "./partialSigner.ts";
import type { Random } from "./random.ts";

/** Everything that a node needs of the outside world; `cli/run.ts` and the simulator fill it. */
export type Ports = {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly identity: Identity;
  readonly beacon: BeaconNode;
  readonly store: KeyValueStore;
  /** Absent where nobody reads the audit log without the node. */
  readonly auditFile?: AuditFile;
  /** Held for the data directory that `store` lies in. */
  readonly lock: InstanceLock;
  readonly bls: Bls;
  readonly signer: PartialSigner;
  readonly logger: Logger;
  readonly metrics: Metrics;
};
