/**
 * Watches whether the chain has slashed a validator of the cluster, or is about to. What led to one
 * slashing leads to the next, so everything is frozen until a human has looked (SLASHED-1).
 */
import type { Cluster } from "../cluster/cluster.ts";
import type { Background } from "../core/background.ts";
import { FaultError } from "../domain/errors.ts";
import type { PubKey } from "../domain/keys.ts";
import type { ValidatorIndex } from "../domain/units.ts";
import type { Chain } from "../eth2/chain.ts";
import type { BeaconNode } from "../ports/beaconNode.ts";
import type { Clock } from "../ports/clock.ts";
import type { KeyValueStore } from "../ports/keyValueStore.ts";
import type { Logger } from "../ports/logger.ts";
import type { Gauge, Metrics } from "../ports/metrics.ts";
import type { SafetyControl } from "./safetyControl.ts";

const PREFIX = "slashed/";
const RANGE = { gte: PREFIX, lt: "slashed0" };
const SLASHED = /slashed/;

export type SlashedWatchParts = {
  readonly cluster: Cluster;
  readonly beacon: Pick<BeaconNode, "validators" | "onSlashing">;
  readonly chain: Chain;
  readonly clock: Clock;
  readonly store: KeyValueStore;
  readonly control: Pick<SafetyControl, "freeze">;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly background: Background;
  readonly signal: AbortSignal;
};

export class SlashedWatch {
  readonly #parts: SlashedWatchParts;
  /** Known before: an operator who unfroze has looked at them. */
  readonly #known = new Set<string>();
  /** Being frozen right now: the event and the state may tell of it at once. */
  readonly #underway = new Set<PubKey>();
  #byIndex: ReadonlyMap<ValidatorIndex, PubKey> = new Map();
  readonly #count: Gauge;

  constructor(parts: SlashedWatchParts) {
    this.#parts = parts;
    this.#count = parts.metrics.gauge({
      name: "slashed_validators",
      help: "Validators of the cluster that the chain has slashed",
    });
  }

  start(): void {
    const { background, logger, beacon, signal } = this.#parts;
    background.run(
      () => this.#watch(),
      ({ message }) => logger.error("The slashed watch ended.", { reason: message }),
    );
    const tell = ({ message }: FaultError): void =>
      logger.error("What a slashing froze is not on disk yet.", { reason: message });
    beacon.onSlashing((indices) => background.run(() => this.#hear(indices), tell), signal);
  }

  /** SLASHED-2: the slashing was heard of, long before the chain's state shows it. */
  async #hear(indices: readonly ValidatorIndex[]): Promise<void> {
    if (this.#byIndex.size === 0) await this.#look();
    for (const index of indices) {
      const pubKey = this.#byIndex.get(index);
      if (pubKey !== undefined) await this.#slashed(pubKey);
    }
  }

  async #watch(): Promise<void> {
    const { clock, chain, signal, store } = this.#parts;
    for await (const [key] of store.entries(RANGE)) this.#known.add(key.slice(PREFIX.length));
    this.#count.set(this.#known.size);
    for (;;) {
      await this.#look();
      const epoch = chain.epochOf(Math.max(0, chain.slotAt(clock.now())));
      const untilNext = chain.slotStart(chain.firstSlot(epoch + 1)) - clock.now();
      await clock.sleep(Math.max(untilNext, chain.spec.slotDurationMs), signal);
    }
  }

  async #look(): Promise<void> {
    const { beacon, cluster, signal, logger } = this.#parts;
    try {
      const keys = cluster.validators.map(({ pubKey }) => pubKey);
      const states = await beacon.validators(keys, signal);
      this.#byIndex = new Map(states.map(({ index, pubKey }) => [index, pubKey]));
      for (const { pubKey, status } of states) {
        if (SLASHED.test(status)) await this.#slashed(pubKey);
      }
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
      logger.debug("The validators' states are not known.", { reason: error.message });
    }
  }

  async #slashed(pubKey: PubKey): Promise<void> {
    const { control, store, logger } = this.#parts;
    if (this.#known.has(pubKey) || this.#underway.has(pubKey)) return;
    this.#underway.add(pubKey);
    logger.error("A validator of this cluster was slashed; everything is frozen.", {
      pubKey,
      remedy:
        "stop every other machine that may hold these keys, keep the data directories of all " +
        "operators, compare their audit logs (coterie audit verify), and unfreeze only then",
    });
    const reason = `the chain slashed validator ${pubKey}: find out who signed twice, and where`;
    try {
      await control.freeze({ scope: "all", validator: null, reason, by: "the slashed watch" });
      // After the freeze: a crash in between freezes once more.
      const value = new TextEncoder().encode("1");
      await store.batch([{ type: "put", key: `${PREFIX}${pubKey}`, value }]);
    } finally {
      this.#underway.delete(pubKey);
    }
    this.#known.add(pubKey);
    this.#count.set(this.#known.size);
  }
}
