import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EventLoop } from "../../../sim/loop.ts";
import { VirtualDisk } from "../../../sim/virtualStore.ts";

const put = (key: string) => ({ type: "put", key, value: Uint8Array.of(1) }) as const;

describe("SIM-4: a power cut", () => {
  function diskIn(loop: EventLoop): VirtualDisk {
    const disk = new VirtualDisk((ms) => new Promise((done) => loop.at(loop.now + ms, done)));
    disk.fateOf = () => ({ syncMs: 10, fault: null });
    return disk;
  }

  it("loses the write whose sync had not ended, and its writer never hears of it", async () => {
    const loop = new EventLoop();
    const disk = diskIn(loop);
    const store = disk.open();
    const ended: string[] = [];
    loop.at(0, () => void store.batch([put("early")]).then(() => ended.push("early")));
    loop.at(5, () => void store.batch([put("late")]).finally(() => ended.push("late")));
    loop.at(12, () => assert.equal(store.cutPower(), 1));
    await loop.run(100);
    assert.deepEqual(ended, ["early"]);
    assert.deepEqual([...disk.platter.keys()], ["early"]);
    assert.notEqual(await disk.open().get("early"), undefined);
  });

  it("leaves a failed write on the disk or not, as the fault says", async () => {
    for (const lands of [true, false]) {
      const loop = new EventLoop();
      const disk = diskIn(loop);
      disk.fault = { write: 2, lands };
      const store = disk.open();
      const failed: unknown[] = [];
      const write = async (): Promise<void> => {
        await store.batch([put("a")]);
        await store.batch([put("b")]).catch((error: unknown) => failed.push(error));
        await store.batch([put("c")]);
      };
      loop.at(0, () => void write());
      await loop.run(100);
      assert.equal(failed.length, 1);
      assert.deepEqual([...disk.platter.keys()], lands ? ["a", "b", "c"] : ["a", "c"]);
    }
  });
});

describe("SIM-4: a power cut and the audit file", () => {
  const line = (sequence: number) => ({ sequence, text: `{"hash":"0x${sequence}"}` });

  it("takes the lines that were not synced, and leaves their writer waiting", async () => {
    const loop = new EventLoop();
    const disk = new VirtualDisk((ms) => new Promise((done) => loop.at(loop.now + ms, done)));
    disk.fateOfAudit = () => ({ syncMs: 10, fault: null });
    const file = disk.openAudit();
    const ended: string[] = [];
    loop.at(0, () => void file.append([line(1)]).then(() => file.sync()));
    loop.at(11, () => void file.append([line(2)]).then(() => file.sync()));
    loop.at(15, () => file.cutPower());
    loop.at(16, () => void file.append([line(3)]).finally(() => ended.push("after")));
    await loop.run(100);
    assert.deepEqual(ended, []);
    assert.equal((await disk.openAudit().last()).line, line(1).text);
  });

  it("names what retention took", async () => {
    const disk = new VirtualDisk();
    const file = disk.openAudit();
    for (let first = 1; first < 3_000; first += 100) {
      await file.append(Array.from({ length: 100 }, (_, i) => line(first + i)));
      await file.sync();
    }
    assert(disk.audit.lines.length <= 1_500);
    const removed = await file.removed();
    assert.equal((removed?.sequence ?? 0) + 1, disk.audit.lines[0]?.sequence);
    assert.equal(removed?.hash, `0x${removed?.sequence}`);
  });
});
