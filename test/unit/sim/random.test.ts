import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "../../../sim/random.ts";

const draw = (random: SeededRandom): number[] => Array.from({ length: 8 }, () => random.next());

describe("seeded random numbers", () => {
  it("follow from the seed alone", () => {
    assert.deepEqual(draw(new SeededRandom(7)), draw(new SeededRandom("7")));
    assert.notDeepEqual(draw(new SeededRandom(7)), draw(new SeededRandom(8)));
  });

  it("SIM-2: a draw in one stream shifts no other", () => {
    const undisturbed = draw(new SeededRandom(7).fork("network"));
    const random = new SeededRandom(7);
    random.next();
    random.fork("disk").next();
    assert.deepEqual(draw(random.fork("network")), undisturbed);
    assert.notDeepEqual(draw(random.fork("network/0")), undisturbed);
  });

  it("are spread evenly, whole numbers with both ends", () => {
    const random = new SeededRandom("spread");
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 40_000; i++) {
      const number = random.integer(0, 3);
      counts[number] = (counts[number] ?? 0) + 1;
    }
    for (const count of counts) assert(Math.abs(count - 10_000) < 500, `${counts}`);
  });

  it("sample without repetition, in the items' order", () => {
    const random = new SeededRandom("sample");
    for (let i = 0; i < 100; i++) {
      const sample = random.sample([1, 2, 3, 4, 5], 3);
      assert.equal(new Set(sample).size, 3);
      assert.deepEqual([...sample].sort(), sample);
    }
  });
});
