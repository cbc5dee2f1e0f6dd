import "../support/minimalPreset.ts";
import { beaconNodeContract } from "./beaconNode.ts";

const { virtualBeaconBench } = await import("../support/virtualBeaconBench.ts");
const { httpBeaconBench } = await import("../support/httpBeaconBench.ts");

beaconNodeContract("the simulator's beacon node", virtualBeaconBench);
beaconNodeContract("the client over HTTP, on the dev chain", httpBeaconBench);
