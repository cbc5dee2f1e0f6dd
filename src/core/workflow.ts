/** The whole program: how one duty runs from the scheduler to the beacon node. */
import type { Components, Tracker } from "./interfaces.ts";

export function wire(c: Components): void {
  // Agree on what to sign.
  c.scheduler.onDuty((duty) => c.consensus.participate(duty));
  c.scheduler.onDuty((duty, definitions) => c.fetcher.fetch(duty, definitions));
  c.fetcher.onFetched((data) => c.consensus.propose(data));
  c.consensus.onDecided((data) => c.dutyStore.store(data));

  // Sign it, and let nothing leave that the safety gate has not made durable.
  c.dutyStore.onStored((data) => c.signer.sign(data));
  // A validator client that signs waits for the answer: its API calls the admission itself.
  c.signer.onSigned((signed) => c.admission.admit(signed));
  c.admission.onAdmitted((set) => c.exchange.broadcast(set));

  // Collect the shares, own and others', until t agree.
  c.admission.onAdmitted((set) => c.partialSignatures.storeOwn(set));
  c.exchange.onReceived((set) => c.partialSignatures.storeReceived(set));
  c.partialSignatures.onThreshold((duty, groups) => c.aggregator.aggregate(duty, groups));

  // Submit the group signatures, and keep them for the duties that build on them.
  c.aggregator.onAggregated((set) => c.aggregatedSignatures.store(set));
  c.aggregator.onAggregated((set) => c.broadcaster.broadcast(set));
}

/** The tracker sees each step from outside; no component knows of it for the normal course. */
export function track(c: Components, tracker: Pick<Tracker, "reached">): void {
  c.scheduler.onDuty((duty) => tracker.reached(duty, "scheduled"));
  c.fetcher.onFetched((data) => tracker.reached(data.duty, "fetched"));
  c.consensus.onDecided((data) => tracker.reached(data.duty, "decided"));
  c.signer.onSigned((signed) => tracker.reached(signed.set.duty, "signed"));
  c.validatorApi.onSigned((signed) => tracker.reached(signed.set.duty, "signed"));
  c.admission.onAdmitted((set) => tracker.reached(set.duty, "admitted"));
  c.partialSignatures.onThreshold((duty) => tracker.reached(duty, "threshold"));
  c.aggregator.onAggregated((set) => tracker.reached(set.duty, "aggregated"));
  c.broadcaster.onBroadcast((duty) => tracker.reached(duty, "broadcast"));
}
