/**
 * Selects the minimal preset for the whole process. Import it before anything of Lodestar's: the
 * preset is read when those modules load, and ES modules load in the order of their imports.
 */
process.env["LODESTAR_PRESET"] = "minimal";
