/**
 * Installs a fast SHA-256 tree hasher (native: a 124 KB block hashes six times as fast as with the
 * library's default). A module of its own, imported first by `ssz.ts`: imports run before any
 * statement of the importing module, so it is in place before the first root is computed.
 */
import { setHasher } from "@chainsafe/persistent-merkle-tree";

// The native one has no binary for Intel Macs; WebAssembly runs everywhere.
const { hasher } = await import("@chainsafe/persistent-merkle-tree/hasher/hashtree").catch(
  () => import("@chainsafe/persistent-merkle-tree/hasher/as-sha256"),
);
setHasher(hasher);
