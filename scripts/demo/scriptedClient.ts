/**
 * The demo's own validator client as a process: one operator's key shares, one node to talk to, and
 * the habits of a named client. `scriptedClient.ts <url> <keys folder> <slot ms> <client>`.
 */
import { CLIENT_HABITS, ScriptedVc } from "../../sim/devchain/vc/scriptedVc.ts";
import { listKeystores, openKeystores } from "../../src/cli/keystoreFiles.ts";

const [url = "", keysDir = "", slotMs = "", client = ""] = process.argv.slice(2);
const habits = Object.entries(CLIENT_HABITS).find(([name]) => name === client)?.[1];
if (habits === undefined) throw new Error(`there is no client "${client}"`);
const paths = await listKeystores(keysDir, "name the folder of a node's key shares");
const keystores = await openKeystores(paths, () => undefined);
const secrets = keystores.map(({ secret }) => secret);
const vc = new ScriptedVc({ ...habits, url, secrets, slotMs: Number(slotMs) });
process.once("SIGTERM", () => {
  void vc.stop();
});
vc.start();
