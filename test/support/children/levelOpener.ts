/** A child process that opens a database and says how it went: `node levelOpener.ts DIRECTORY`. */
import { openLevel } from "../../../src/adapters/storage/level.ts";

try {
  const store = await openLevel(process.argv[2] ?? "");
  await store.close();
  process.stdout.write("opened");
} catch (error) {
  process.stdout.write(error instanceof Error ? error.message : String(error));
}
