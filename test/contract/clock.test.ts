import { EventLoop } from "../../sim/loop.ts";
import { VirtualClock } from "../../sim/virtualClock.ts";
import { systemClock } from "../../src/adapters/system/clock.ts";
import { testClock } from "./clock.ts";

testClock("the machine's clock", () => ({
  clock: systemClock,
  pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
}));

for (const offset of [0, -5_000]) {
  testClock(`a virtual clock, ${offset} ms off`, () => {
    const loop = new EventLoop(1_700_000_000_000);
    return { clock: new VirtualClock(loop, offset), pass: (ms) => loop.run(loop.now + ms) };
  });
}
