/** The forks that this release knows; what they mean is in `forks.ts`. */

/** In the order of their activation. */
export const FORK_NAMES = [
  "phase0",
  "altair",
  "bellatrix",
  "capella",
  "deneb",
  "electra",
  "fulu",
  "gloas",
] as const;
export type ForkName = (typeof FORK_NAMES)[number];
