/** Puts a scenario's faults on the world when their time comes, and takes them off again. */
import type { PeerIndex } from "../src/domain/keys.ts";
import { conditionOf } from "./conditions.ts";
import type { BeaconView, Ground } from "./ground.ts";
import type { EventLoop } from "./loop.ts";
import type { Machine } from "./machine.ts";
import { endOf, type Fault, type SlotInstant, type Struck } from "./scenario.ts";
import type { Trace } from "./trace.ts";
import type { VirtualClient } from "./virtualClient.ts";
import type { VirtualNetwork } from "./virtualNetwork.ts";

export type FaultTargets = {
  readonly loop: EventLoop;
  readonly network: VirtualNetwork;
  readonly chain: Pick<Ground, "impose">;
  readonly machines: readonly Machine[];
  readonly views: readonly BeaconView[];
  readonly clients: readonly (VirtualClient | null)[];
  readonly trace: Trace;
  readonly instantOf: (slot: SlotInstant) => number;
};

/** Takes a fault off. */
type End = () => void;

export function scheduleFaults(faults: readonly Fault[], targets: FaultTargets): void {
  const { loop, trace, instantOf } = targets;
  for (const [id, fault] of faults.entries()) {
    loop.at(instantOf(fault.at), () => {
      trace.emit({ kind: "fault", id, phase: "begin", fault });
      const end = begin(fault, targets);
      const endsAt = endOf(fault);
      if (endsAt === Infinity) return;
      loop.at(instantOf(endsAt), () => {
        end();
        trace.emit({ kind: "fault", id, phase: "end" });
      });
    });
  }
}

function begin(fault: Fault, targets: FaultTargets): End {
  const { network, chain, machines, views, clients } = targets;
  switch (fault.kind) {
    case "partition":
    case "one-way":
    case "broken-link":
    case "loss":
    case "duplication":
    case "reordering":
    case "delay":
    case "clog":
    case "capacity":
      return network.impose(conditionOf(fault));
    case "crash":
      return onEach(struck(machines, fault), (machine) => {
        machine.cutPower();
        return () => machine.powerOn();
      });
    case "crash-at-write":
      return onEach(struck(machines, fault), (machine) => machine.cutPowerAtWrite(fault));
    case "clock-skew":
      return onEach(struck(machines, fault), (machine) => {
        machine.shiftClock(fault.byMs);
        return () => machine.shiftClock(-fault.byMs);
      });
    case "clock-step":
      for (const machine of struck(machines, fault)) machine.shiftClock(fault.byMs);
      return () => undefined;
    case "disk-fails":
    case "write-fails":
    case "disk-slow":
      return onEach(struck(machines, fault), (machine) => machine.imposeOnDisk(fault));
    case "beacon-offline":
    case "beacon-errors":
    case "beacon-slow":
    case "beacon-lag":
    case "beacon-lies":
    case "beacon-refuses":
    case "beacon-fork":
      return onEach(struck(views, fault), (view) => view.impose(fault));
    case "reorg":
    case "foreign-signer":
    case "late-blocks":
    case "empty-slots":
      return chain.impose(fault);
    case "client-silent":
    case "client-late":
    case "client-restarts":
    case "client-retries":
    case "client-lies":
      return onEach(struck(clients, fault), (client) => client?.impose(fault) ?? (() => undefined));
    case "byzantine":
      // The operator's Network port was wrapped when its node started: it knows its hours.
      return () => undefined;
  }
}

function struck<T>(targets: readonly T[], { nodes }: Struck): readonly T[] {
  return nodes === undefined ? targets : targets.filter((_, node) => nodes.includes(node));
}

function onEach<T>(targets: readonly T[], impose: (target: T) => End): End {
  const ends = targets.map(impose);
  return () => {
    for (const end of ends) end();
  };
}

/** Whether the fault lasts at an instant, in slots. */
export function isActive(fault: Fault, now: SlotInstant): boolean {
  return now >= fault.at && now < endOf(fault);
}

/** Operators that are Byzantine at any time of the run. */
export function byzantineNodes(faults: readonly Fault[]): ReadonlySet<PeerIndex> {
  return new Set(faults.flatMap((fault) => (fault.kind === "byzantine" ? fault.nodes : [])));
}
