/** Selects the mainnet preset for the whole process; see minimalPreset.ts for the order. */
process.env["LODESTAR_PRESET"] = "mainnet";
