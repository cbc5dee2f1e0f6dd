/**
 * Answers as another beacon node writes them, through our Beacon API: what is only passed on
 * arrives byte for byte, and what is renamed keeps everything else (API-1, API-6).
 */
import "../support/mainnetPreset.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startTestApi, type TestApi } from "../support/validatorApiServer.ts";
import { readVector, vectorOptions } from "../support/vectors.ts";
import { send } from "../support/virtualDevchain.ts";

/** Files of teku's handlers by the route that they are answers of. */
const STREAMED = {
  "v1/beacon/getBlockRoot": "/eth/v1/beacon/blocks/head/root",
  "v1/beacon/stateFinalityCheckpoints": "/eth/v1/beacon/states/head/finality_checkpoints",
  "v1/beacon/stateProposerLookahead": "/eth/v1/beacon/states/head/proposer_lookahead",
  "v1/beacon/getStateValidatorBalances": "/eth/v1/beacon/states/head/validator_balances",
  "v1/beacon/getBlindedBlock": "/eth/v1/beacon/blinded_blocks/head",
  "v1/beacon/getAttestations": "/eth/v1/beacon/pool/attestations",
  "v1/beacon/getBlockAttestations": "/eth/v1/beacon/blocks/head/attestations",
  "v1/beacon/getProposerSlashings": "/eth/v1/beacon/pool/proposer_slashings",
  "v1/beacon/getBlsToExecutionChanges": "/eth/v1/beacon/pool/bls_to_execution_changes",
  "v1/beacon/lightclient/getLightClientUpdatesByRange":
    "/eth/v1/beacon/light_client/updates?start_period=1&count=1",
  "v1/rewards/blockRewardsData": "/eth/v1/beacon/rewards/blocks/head",
  "v1/rewards/getSyncCommitteeRewards": "/eth/v1/beacon/rewards/sync_committee/head",
  "v1/builder/getExpectedWithdrawals": "/eth/v1/builder/states/head/expected_withdrawals",
  "v1/debug/getDataColumnSidecarsFULU": "/eth/v1/debug/beacon/data_column_sidecars/head",
  "v1/debug/getDataColumnSidecarsGLOAS": "/eth/v1/debug/beacon/data_column_sidecars/head",
  "v2/debug/getForkChoiceV2": "/eth/v1/debug/fork_choice",
  "v2/node/GetVersionV2Response": "/eth/v2/node/version",
  "v2/beacon/getAttesterSlashingsPHASE0": "/eth/v2/beacon/pool/attester_slashings",
  "v2/beacon/getAttesterSlashingsELECTRA": "/eth/v2/beacon/pool/attester_slashings",
} as const;
/** Those whose keys are renamed; none of teku's is one of the cluster's. */
const RENAMED = {
  "v1/beacon/getStateValidatorsTest": "/eth/v1/beacon/states/head/validators",
  "v1/validator/getProposerDuties": "/eth/v1/validator/duties/proposer/1",
} as const;

type Served = { readonly path: string; readonly file: string; readonly status?: number };

function serve({ beacon }: TestApi, { path, file, status = 200 }: Served): Buffer {
  const body = readVector("beacon-api", "teku-handlers", ...`${file}.json`.split("/"));
  beacon.faults.set(path, (_, response) => {
    response.writeHead(status, {
      "content-type": "application/json",
      "eth-consensus-version": "fulu",
    });
    response.end(body);
    return true;
  });
  return body;
}

describe("teku's answers", vectorOptions, () => {
  for (const [file, path] of Object.entries(STREAMED)) {
    test(`API-6: ${file} streams through unchanged`, async (t) => {
      const api = await startTestApi(t);
      const expected = serve(api, { path, file });
      const response = await fetch(`${api.url}${path}`);
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("eth-consensus-version"), "fulu");
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), expected);
    });
  }

  for (const [file, path] of Object.entries(RENAMED)) {
    test(`API-1: ${file} keeps numbers beyond 2^53 and what it does not know`, async (t) => {
      const api = await startTestApi(t);
      const expected = JSON.parse(serve(api, { path, file }).toString("utf8"));
      assert.deepEqual((await send(`${api.url}${path}`)).body, expected);
    });
  }

  test("API-6: a beacon node's own errors reach the client as they are", async (t) => {
    const api = await startTestApi(t);
    for (const file of ["v1/beacon/errorListBadRequest", "v2/beacon/errorListBadRequest"]) {
      const path = "/eth/v1/validator/beacon_committee_subscriptions";
      const expected = JSON.parse(serve(api, { path, file, status: 400 }).toString("utf8"));
      const answer = await send(`${api.url}${path}`, { body: [] });
      assert.deepEqual([answer.status, answer.body], [400, expected]);
    }
  });

  test("API-6: liveness is asked and answered as it comes", async (t) => {
    const api = await startTestApi(t);
    const path = "/eth/v1/validator/liveness/1";
    const file = "v1/validator/postValidatorLiveness";
    const expected = JSON.parse(serve(api, { path, file }).toString("utf8"));
    const answer = await send(`${api.url}${path}`, { body: ["1"] });
    assert.deepEqual([answer.status, answer.body], [200, expected]);
    assert.deepEqual(api.beacon.requests(path).at(-1)?.body, ["1"]);
  });
});
