/** What faults do to the connections while they last. */
import type { PeerIndex } from "../src/domain/keys.ts";
import type { Millis } from "../src/domain/units.ts";
import type { Link, NetworkFault } from "./scenario.ts";

/** One direction of a connection, as all conditions together make it. */
export type LinkState = {
  isCut: boolean;
  isClogged: boolean;
  loss: number;
  duplication: number;
  reordering: number;
  reorderMs: Millis;
  delayMs: Millis;
  jitterMs: Millis;
  bytesPerSecond: number;
};
/** Adds its part to the state of a direction. */
export type Condition = (from: PeerIndex, to: PeerIndex, state: LinkState) => void;

export function conditionOf(fault: NetworkFault): Condition {
  switch (fault.kind) {
    case "partition":
      return cutWhere((from, to) => groupOf(fault.groups, from) !== groupOf(fault.groups, to));
    case "one-way":
      // The connection stands, and what is sent the wrong way vanishes: nobody is told.
      return (from, to, state) => {
        if (fault.to.includes(from) && fault.from.includes(to)) state.loss = 1;
      };
    case "broken-link":
      return cutWhere((from, to) => fault.between.includes(from) && fault.between.includes(to));
    case "loss":
      return along(fault, (state) => {
        state.loss = either(state.loss, fault.rate);
      });
    case "duplication":
      return along(fault, (state) => {
        state.duplication = either(state.duplication, fault.rate);
      });
    case "reordering":
      return along(fault, (state) => {
        state.reordering = either(state.reordering, fault.rate);
        state.reorderMs = Math.max(state.reorderMs, fault.byMs);
      });
    case "delay":
      return along(fault, (state) => {
        state.delayMs += fault.byMs;
        state.jitterMs += fault.jitterMs ?? 0;
      });
    case "clog":
      return along(fault, (state) => {
        state.isClogged = true;
      });
    case "capacity":
      return along(fault, (state) => {
        state.bytesPerSecond = Math.min(state.bytesPerSecond, fault.bytesPerSecond);
      });
  }
}

function along(link: Link, change: (state: LinkState) => void): Condition {
  return (from, to, state) => {
    const isOn = (link.from ?? from) === from && (link.to ?? to) === to;
    if (isOn) change(state);
  };
}

function cutWhere(isCut: (from: PeerIndex, to: PeerIndex) => boolean): Condition {
  return (from, to, state) => {
    if (isCut(from, to)) state.isCut = true;
  };
}

/** A node in no group is a group of its own. */
function groupOf(groups: readonly (readonly PeerIndex[])[], node: PeerIndex): number {
  const group = groups.findIndex((members) => members.includes(node));
  return group < 0 ? -1 - node : group;
}

/** Probability that one of two independent events happens. */
function either(a: number, b: number): number {
  return 1 - (1 - a) * (1 - b);
}
