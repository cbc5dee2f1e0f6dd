import "../support/minimalPreset.ts";
import { beaconNodeContract } from "./beaconNode.ts";

const { groundBench } = await import("../support/groundBench.ts");
const { httpBeaconBench } = await import("../support/httpBeaconBench.ts");
const { blstScheme } = await import("../../sim/keys.ts");
const { realGround } = await import("../../sim/realGround.ts");
const { transparentScheme } = await import("../../sim/transparentBls.ts");
const { createVirtualGround } = await import("../../sim/virtualGround.ts");

beaconNodeContract("the simulator's beacon node, on the virtual chain", () =>
  groundBench(createVirtualGround, transparentScheme),
);
beaconNodeContract("the simulator's beacon node, on the dev chain", async () =>
  groundBench(await realGround(), blstScheme()),
);
beaconNodeContract("the client over HTTP, on the dev chain", httpBeaconBench);
