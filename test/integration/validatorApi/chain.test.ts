// Four nodes, validator clients with habits of their own, one live chain: what counts is what
// stands in the blocks.
import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { CLIENT_HABITS, type ScriptedVc } from "../../../sim/devchain/vc/scriptedVc.ts";
import { signBlock } from "../../../sim/devchain/vc/signedBlock.ts";
import { blockRoot, KeyShare, randaoRoot } from "../../../sim/devchain/vc/signing.ts";
import { toHex } from "../../../src/util/bytes.ts";
import { BeaconApiSchema } from "../../support/openApi.ts";
import { VcCluster } from "../../support/vcCluster.ts";
import { vectorOptions } from "../../support/vectors.ts";
import { send } from "../../support/virtualDevchain.ts";

/** Four epochs of the minimal preset. */
const LAST_SLOT = 32;
/** Slots after the last duty that counts, in which it may still be included. */
const INCLUSION_SLOTS = 3;
/** Validators enough that several attest in each slot, and some propose. */
const VALIDATORS = 16;
const { lighthouse, lodestar, nimbus, prysm, teku } = CLIENT_HABITS;

test("clients that die, come back and repeat themselves: every duty is on chain", async (t) => {
  const cluster = await VcCluster.start({ validators: VALIDATORS });
  t.after(() => cluster.stop());
  const first = await cluster.connect(0, lighthouse);
  const others = await Promise.all([cluster.connect(1, prysm), cluster.connect(2, nimbus)]);
  const fourth = await cluster.connect(3, lodestar);
  let clients: readonly ScriptedVc[] = [first, ...others, fourth];
  const all = [...clients];
  for (let slot = 1; slot <= LAST_SLOT; slot++) {
    await cluster.runSlot(slot, clients);
    // Everything again: the same data, the same signatures, no harm.
    if (slot <= 16) await cluster.settle(Promise.all([first.propose(slot), first.attest(slot)]));
    if (slot === 6) clients = [first, ...others];
    if (slot === 12) {
      // The operator is back with another client, which speaks JSON after the first one's SSZ.
      const back = await cluster.connect(3, teku);
      all.push(back);
      clients = [first, ...others, back];
    }
    if (slot === 20) {
      await cluster.crash(1);
      clients = clients.filter((client) => client !== others[0]);
    }
  }
  const range = { fromSlot: 1, toSlot: LAST_SLOT - INCLUSION_SLOTS };
  const { attestations, proposals, missedEpochs } = await cluster.inclusion.report(range);
  t.diagnostic(`${attestations.length} attestations and ${proposals.length} proposals were due`);
  assert.deepEqual(missedEpochs, []);
  assert.ok(attestations.length >= 3 * VALIDATORS && proposals.length >= 3);
  assert.deepEqual(
    attestations.filter(({ isIncluded }) => !isIncluded),
    [],
  );
  const ours = cluster.handedOver("proposer");
  assert.deepEqual(
    proposals.map(({ slot, root }) => [slot, root]),
    proposals.map(({ slot }) => [slot, [...(ours.get(slot) ?? [])].join()]),
    "each proposal is the one block that the cluster decided",
  );
  assert.deepEqual(cluster.devchain.slashings(), []);
  const refused = all
    .flatMap(({ events }) => events)
    .filter(({ status }) => ![200, 503, 0].includes(status));
  assert.deepEqual(refused, [], "nothing that a client signed was refused");
});

test("each served route answers as the specification says", vectorOptions, async (t) => {
  const cluster = await VcCluster.start({ validators: VALIDATORS });
  t.after(() => cluster.stop());
  const clients = await Promise.all([0, 1, 2].map((self) => cluster.connect(self, prysm)));
  const checker = new RouteChecker(cluster);
  await cluster.runSlot(1, clients);
  await checker.checkReads(t);
  await checker.checkErrors(t);
  const isDone = (): boolean => checker.hasAttested && checker.hasProposed;
  for (let slot = 2; slot <= LAST_SLOT && !isDone(); slot++) {
    await cluster.runSlot(slot, clients);
    await checker.checkDuties(slot);
  }
  assert.ok(isDone(), "there was an attestation and a proposal to check");
});

/** One client's view of node 0, compared with the specification. */
class RouteChecker {
  hasAttested = false;
  hasProposed = false;
  readonly #cluster: VcCluster;
  readonly #schema = new BeaconApiSchema();
  readonly #shares: readonly KeyShare[];
  readonly #url: string;

  constructor(cluster: VcCluster) {
    this.#cluster = cluster;
    this.#url = cluster.member(0).url;
    this.#shares = cluster.keys.shares(0).map(({ secret }) => new KeyShare(secret));
  }

  async checkReads(t: TestContext): Promise<void> {
    const [index = 0] = this.#cluster.devchain.distributedIndices;
    const key = this.#shares[0]?.publicKey ?? "";
    const ids = { ids: [key] };
    const reads: readonly (readonly [path: string, values?: string, body?: unknown])[] = [
      ["/eth/v1/beacon/genesis"],
      ["/eth/v1/config/spec"],
      ["/eth/v1/config/fork_schedule"],
      ["/eth/v1/config/deposit_contract"],
      ["/eth/v1/node/version"],
      ["/eth/v1/node/syncing"],
      ["/eth/v1/beacon/states/{state_id}/validators", `head?id=${key}`],
      ["/eth/v1/beacon/states/{state_id}/validators", "head", ids],
      ["/eth/v1/beacon/states/{state_id}/validators/{validator_id}", `head ${key}`],
      ["/eth/v1/validator/duties/attester/{epoch}", "0", [String(index)]],
      ["/eth/v1/validator/duties/sync/{epoch}", "0", [String(index)]],
      ["/eth/v1/validator/duties/proposer/{epoch}", "0"],
      ["/eth/v2/validator/duties/proposer/{epoch}", "0"],
      ["/eth/v1/beacon/headers/{block_id}", "head"],
      ["/eth/v1/beacon/states/{state_id}/fork", "head"],
      ["/eth/v1/beacon/states/{state_id}/finality_checkpoints", "head"],
      ["/eth/v2/beacon/blocks/{block_id}", "1"],
      ["/eth/v1/validator/prepare_beacon_proposer", "", []],
      ["/eth/v1/validator/register_validator", "", []],
      ["/eth/v1/validator/beacon_committee_subscriptions", "", []],
      ["/eth/v1/validator/sync_committee_subscriptions", "", []],
      ["/eth/v1/validator/liveness/{epoch}", "0", [String(index)]],
    ];
    for (const [path, values = "", body] of reads) {
      const answer = await this.#ask(path, values, body);
      assert.equal(answer.status, 200, path);
      this.#schema.check({ method: body === undefined ? "get" : "post", path }, answer);
    }
    t.diagnostic(`${reads.length} reads`);
  }

  async checkErrors(t: TestContext): Promise<void> {
    const data = "/eth/v1/validator/attestation_data";
    const pool = "/eth/v2/beacon/pool/attestations";
    const foreign = new KeyShare(
      this.#cluster.keys.shares(2)[0]?.secret ?? assert.fail("there is a share"),
    );
    const one = "/eth/v1/beacon/states/{state_id}/validators/{validator_id}";
    const cases = [
      [400, "get", one, `head ${foreign.publicKey}`],
      [400, "get", data, "?slot=none&committee_index=0"],
      [503, "get", data, "?slot=0&committee_index=0"],
      [400, "get", "/eth/v3/validator/blocks/{slot}", "5?randao_reveal=0x00"],
      [400, "post", pool, ""],
      [400, "post", "/eth/v2/beacon/blocks", ""],
      [400, "post", "/eth/v1/validator/duties/attester/{epoch}", "0"],
      [501, "post", "/eth/v1/validator/beacon_committee_selections", ""],
      [501, "post", "/eth/v1/validator/sync_committee_selections", ""],
    ] as const;
    for (const [status, method, path, values] of cases) {
      const answer = await this.#ask(
        path,
        values,
        method === "post" ? { not: "a list" } : undefined,
      );
      assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
      // The specification gives single errors one shape and those of batches another.
      if (path !== pool) this.#schema.check({ method, path }, answer);
    }
    await this.#checkRefusals();
    const items = { body: [{}], headers: { "eth-consensus-version": "fulu" } };
    const batch = await send(`${this.#url}${pool}`, items);
    assert.equal(batch.status, 400);
    this.#schema.check({ method: "post", path: pool }, batch);
    t.diagnostic(`${cases.length + 1} errors`);
  }

  /** Media types that are not served, and a submission of nothing. */
  async #checkRefusals(): Promise<void> {
    const slot = 1;
    const pool = "/eth/v2/beacon/pool/attestations";
    for (const [path, values] of [
      ["/eth/v1/validator/attestation_data", `?slot=${slot}&committee_index=0`],
      ["/eth/v3/validator/blocks/{slot}", `${slot}?randao_reveal=0x${"00".repeat(96)}`],
    ] as const) {
      const answer = await send(this.#urlOf(path, values), { headers: { accept: "text/html" } });
      assert.equal(answer.status, 406, path);
      this.#schema.check({ method: "get", path }, answer);
    }
    for (const path of [pool, "/eth/v2/beacon/blocks", "/eth/v2/beacon/blinded_blocks"]) {
      const headers = { "content-type": "text/plain", "eth-consensus-version": "fulu" };
      const answer = await send(this.#urlOf(path, ""), { body: [], headers });
      assert.equal(answer.status, 415, path);
      this.#schema.check({ method: "post", path }, answer);
    }
    const headers = { "eth-consensus-version": "fulu" };
    const empty = await send(this.#urlOf(pool, ""), { body: [], headers });
    assert.equal(empty.status, 200);
    this.#schema.check({ method: "post", path: pool }, empty);
  }

  /** The block once more, as SSZ, and signed: handed in again in both encodings. */
  async #checkBlock(url: string, slot: number, share: KeyShare): Promise<void> {
    const response = await fetch(url, { headers: { accept: "application/octet-stream" } });
    const bytes = new Uint8Array(await response.arrayBuffer());
    const { status, headers } = response;
    assert.equal(headers.get("content-type"), "application/octet-stream");
    const { config } = this.#cluster.devchain.chain;
    const signed = signBlock({ status, headers, bytes }, (root) =>
      share.sign(blockRoot(config, slot, root)),
    );
    const path = "/eth/v2/beacon/blocks";
    const version = headers.get("eth-consensus-version") ?? "";
    for (const body of [signed.ssz(), signed.json()]) {
      const handedIn = { body, headers: { "eth-consensus-version": version } };
      const answer = await send(this.#urlOf(path, ""), handedIn);
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      this.#schema.check({ method: "post", path }, answer);
    }
  }

  /** What the slot's duties were answered, asked for once more at its end. */
  async checkDuties(slot: number): Promise<void> {
    const data = "/eth/v1/validator/attestation_data";
    const attested = await this.#ask(data, `?slot=${slot}&committee_index=0`);
    if (attested.status === 200) {
      this.#schema.check({ method: "get", path: data }, attested);
      this.hasAttested = true;
    }
    const share = await this.#proposerOf(slot);
    if (share === undefined) return;
    const config = this.#cluster.devchain.chain.config;
    const reveal = toHex(share.sign(randaoRoot(config, slot)));
    const path = "/eth/v3/validator/blocks/{slot}";
    const answer = await this.#ask(path, `${slot}?randao_reveal=${reveal}`);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    this.#schema.check({ method: "get", path }, answer);
    const body = answer.body as Readonly<Record<string, unknown>>;
    for (const [header, member] of [
      ["eth-consensus-version", "version"],
      ["eth-execution-payload-blinded", "execution_payload_blinded"],
      ["eth-execution-payload-value", "execution_payload_value"],
      ["eth-consensus-block-value", "consensus_block_value"],
    ] as const) {
      assert.equal(answer.headers.get(header), String(body[member]), header);
    }
    await this.#checkBlock(this.#urlOf(path, `${slot}?randao_reveal=${reveal}`), slot, share);
    this.hasProposed = true;
  }

  async #proposerOf(slot: number): Promise<KeyShare | undefined> {
    const path = "/eth/v1/validator/duties/proposer/{epoch}";
    const { body } = await this.#ask(path, String(Math.floor(slot / 8)));
    const { data } = body as { data: readonly { slot: string; pubkey: string }[] };
    const duty = data.find((each) => each.slot === String(slot));
    return this.#shares.find(({ publicKey }) => publicKey === duty?.pubkey);
  }

  /** `values` fill the path's parameters in their order, with the query after the last. */
  #ask(path: string, values: string, body?: unknown): ReturnType<typeof send> {
    return send(this.#urlOf(path, values), { body });
  }

  #urlOf(path: string, values: string): string {
    const [filled = "", query] = values.split("?");
    const parts = filled.split(" ").values();
    const url = path.replaceAll(/\{\w+\}/g, () => parts.next().value ?? "");
    return `${this.#url}${url}${query === undefined ? "" : `?${query}`}`;
  }
}
