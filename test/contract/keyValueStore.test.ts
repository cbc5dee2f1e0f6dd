import { join } from "node:path";
import { VirtualDisk } from "../../sim/virtualStore.ts";
import { openLevel } from "../../src/adapters/storage/level.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { testKeyValueStore } from "./keyValueStore.ts";

testKeyValueStore("LevelDB", (t) => {
  const directory = join(temporaryFolder(t), "db");
  return () => openLevel(directory);
});

testKeyValueStore("the disk in memory", () => {
  const disk = new VirtualDisk();
  return async () => disk.open();
});
