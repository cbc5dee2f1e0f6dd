import assert from "node:assert/strict";
import { test } from "node:test";
import { createMetrics } from "../../../../src/adapters/system/metrics.ts";
import { Bug } from "../../../../src/util/assert.ts";

const LABELS = { cluster_name: "squad", cluster_hash: "1c17ca2", cluster_peer: "alice" };

// OPS-3
test("every metric carries the cluster's labels and our prefix", async () => {
  const metrics = createMetrics(LABELS);
  metrics
    .counter({ name: "duties_total", help: "Duties.", labels: ["type"] })
    .add(2, { type: "attester" });
  const { body, contentType } = await metrics.page();
  assert.match(contentType, /^text\/plain/);
  assert.match(
    body,
    /^coterie_duties_total\{type="attester",cluster_name="squad",cluster_hash="1c17ca2",cluster_peer="alice"\} 2$/m,
  );
  assert.match(body, /^nodejs_eventloop_lag_p99_seconds\{/m);
});

test("the same name yields the same instrument", async () => {
  const metrics = createMetrics(LABELS);
  const options = { name: "peers", help: "Peers with a path." };
  metrics.gauge(options).set(1);
  metrics.gauge(options).set(3);
  const { body } = await metrics.page();
  assert.equal(body.match(/^coterie_peers\{.*\} \d+$/gm)?.length, 1);
  assert.match(body, /^coterie_peers\{.*\} 3$/m);
});

test("one name for two kinds of metric is a bug", () => {
  const metrics = createMetrics(LABELS);
  metrics.gauge({ name: "peers", help: "Peers." });
  assert.throws(() => metrics.counter({ name: "peers", help: "Peers." }), Bug);
});

test("a histogram sorts its observations into the given buckets", async () => {
  const metrics = createMetrics(LABELS);
  const latency = metrics.histogram({ name: "latency_seconds", help: "x", buckets: [0.1, 1] });
  for (const seconds of [0.05, 0.5, 5]) latency.observe(seconds);
  const { body } = await metrics.page();
  const counts = [...body.matchAll(/^coterie_latency_seconds_bucket\{le="(.*?)".* (\d+)$/gm)];
  assert.deepEqual(
    counts.map(([, bound, count]) => [bound, count]),
    [
      ["0.1", "1"],
      ["1", "2"],
      ["+Inf", "3"],
    ],
  );
});

test("two nodes in one process keep their metrics apart", async () => {
  const one = createMetrics(LABELS);
  const other = createMetrics({ ...LABELS, cluster_peer: "bob" });
  one.gauge({ name: "peers", help: "Peers." }).set(1);
  assert.ok(!(await other.page()).body.includes("coterie_peers"));
});
