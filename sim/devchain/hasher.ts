/**
 * Installs the native SHA-256 tree hasher. A module of its own, imported first by everything that
 * touches a state, because ES imports run before any statement of the importing module and the
 * hasher must be in place before the first view is hashed.
 */
import { setHasher } from "@chainsafe/persistent-merkle-tree";
import { hasher } from "@chainsafe/persistent-merkle-tree/hasher/hashtree";

setHasher(hasher);
