/**
 * The SSZ types of the consensus specs, loaded after the hasher. The only file of `src/` that
 * imports the types' values; their preset is fixed by then (`preset.ts`).
 */
import "./hasher.ts";
import { ssz } from "@lodestar/types";

export { ssz };
