import assert from "node:assert/strict";
import { test } from "node:test";
import { adoptCharonEnvironment } from "../../../src/cli/charonEnvironment.ts";
import { RUN_OPTIONS } from "../../../src/cli/config.ts";
import { CREATE_CLUSTER_OPTIONS } from "../../../src/cli/createClusterOptions.ts";

// CLI-10
test("Charon's variables stand in for ours, and are named", () => {
  const { environment, notices } = adoptCharonEnvironment(
    { CHARON_DATA_DIR: "/opt/charon/.charon", CHARON_VC_TLS_KEY_FILE: "key.pem", PATH: "/bin" },
    RUN_OPTIONS,
  );
  assert.equal(environment["COTERIE_DATA_DIR"], "/opt/charon/.charon");
  assert.equal(environment["COTERIE_VALIDATOR_API_TLS_KEY_FILE"], "key.pem");
  assert.equal(environment["PATH"], "/bin");
  assert.deepEqual(notices, [
    "Charon's environment variables are used where ours are not set: CHARON_DATA_DIR, " +
      "CHARON_VC_TLS_KEY_FILE (now COTERIE_VALIDATOR_API_TLS_KEY_FILE)",
  ]);
});

test("our variable wins over Charon's, and the operator is told", () => {
  const { environment, notices } = adoptCharonEnvironment(
    { CHARON_DATA_DIR: "theirs", COTERIE_DATA_DIR: "ours" },
    RUN_OPTIONS,
  );
  assert.equal(environment["COTERIE_DATA_DIR"], "ours");
  assert.deepEqual(notices, [
    "Charon's environment variables without effect here: CHARON_DATA_DIR (COTERIE_DATA_DIR is set)",
  ]);
});

test("what has no meaning here is named without its value, and empty ones are nothing", () => {
  const { environment, notices } = adoptCharonEnvironment(
    {
      CHARON_BEACON_NODE_HEADERS: "https://user:5ec2e7@relay.example",
      CHARON_NODES: "7",
      CHARON_LOCK_FILE: "",
    },
    RUN_OPTIONS,
  );
  assert.deepEqual(notices, [
    "Charon's environment variables without effect here: CHARON_BEACON_NODE_HEADERS, CHARON_NODES",
  ]);
  assert.equal(environment["COTERIE_P2P_RELAYS"], undefined);
  assert.equal(environment["COTERIE_LOCK_FILE"], undefined);
});

test("each command takes its own", () => {
  const environment = { CHARON_NODES: "7" };
  const adopted = adoptCharonEnvironment(environment, CREATE_CLUSTER_OPTIONS);
  assert.equal(adopted.environment["COTERIE_NODES"], "7");
  assert.deepEqual(adoptCharonEnvironment({}, CREATE_CLUSTER_OPTIONS).notices, []);
});
