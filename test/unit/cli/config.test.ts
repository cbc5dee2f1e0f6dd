import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRunOptions, RUN_OPTIONS, type RunOptions } from "../../../src/cli/config.ts";
import type { RawOptions } from "../../../src/cli/options.ts";
import { UsageError } from "../../../src/domain/errors.ts";

const DEFAULTS: RawOptions = Object.fromEntries(
  RUN_OPTIONS.flatMap((spec) => ("default" in spec ? [[spec.name, spec.default]] : [])),
);

function parse(raw: RawOptions, peersFile = ""): Promise<RunOptions> {
  const base = { ...DEFAULTS, "beacon-node-endpoints": "http://127.0.0.1:5052" };
  return parseRunOptions({ ...base, ...raw }, async () => peersFile);
}

test("defaults: the data dir's files, p2p on all interfaces, else the loopback", async () => {
  assert.deepEqual(await parse({ "data-dir": "/srv/dv" }), {
    dataDir: "/srv/dv",
    lockFile: "/srv/dv/cluster-lock.json",
    privateKeyFile: null,
    validatorKeysDir: null,
    beaconNodeEndpoints: ["http://127.0.0.1:5052"],
    p2pListen: ["/ip4/0.0.0.0/tcp/3610"],
    p2pAnnounce: [],
    p2pPeers: [],
    p2pRelays: [],
    carriesForMembers: true,
    monitoringAddress: { host: "127.0.0.1", port: 3620 },
    adminAddress: { host: "127.0.0.1", port: 0 },
    validatorApi: { host: "127.0.0.1", port: 3600, tls: null, tokenFile: null },
    logLevel: "info",
    logFormat: "auto",
    contractWallets: new Set(),
    skipWait: false,
    keyHistory: { file: null, isFresh: false },
  });
});

test("relays, external addresses, and a node that nobody can dial", async () => {
  const id = "16Uiu2HAkvZBZH6WModJV4gAykgS9DjEmraZ7vBEnkLUxSwju2y17";
  const relays = `https://relay.example, /ip4/198.51.100.1/tcp/3610/p2p/${id}`;
  const external = { "p2p-external-ip": "198.51.100.7", "p2p-external-hostname": "dv.example" };
  const options = await parse({ ...external, "p2p-relays": relays, "p2p-no-member-relay": "true" });
  assert.deepEqual(
    options.p2pRelays.map(({ kind }) => kind),
    ["url", "address"],
  );
  assert.deepEqual(options.p2pAnnounce, [
    "/ip4/198.51.100.7/tcp/3610",
    "/dns4/dv.example/tcp/3610",
  ]);
  assert.equal(options.carriesForMembers, false);
  assert.deepEqual((await parse({ "p2p-tcp-address": "off" })).p2pListen, []);
  for (const [raw, said] of [
    [{ "p2p-relays": "relay.example:3640" }, /--p2p-relays: "relay.example:3640" is no relay/],
    [{ "p2p-external-ip": "dv.example" }, /--p2p-external-ip: .*use --p2p-external-hostname/],
    [{ "p2p-tcp-address": "nowhere" }, /--p2p-tcp-address/],
    [{ "p2p-tcp-address": "off", "p2p-external-ip": "198.51.100.7" }, /fixed port/],
  ] as const) {
    await assert.rejects(parse(raw), (error) => {
      assert(error instanceof UsageError);
      assert.match(error.message, said);
      return true;
    });
  }
});

test("the built-in signer reads the key shares, a validator client's node none", async () => {
  const builtin = await parse({ signer: "builtin", "data-dir": "/srv/dv" });
  assert.equal(builtin.validatorKeysDir, "/srv/dv/validator_keys");
  await assert.rejects(parse({ "validator-keys-dir": "/keys" }), /of no use with --signer vc/);
});

test("a certificate and its key come together", async () => {
  const tls = { "validator-api-tls-cert-file": "c.pem", "validator-api-tls-key-file": "k.pem" };
  const { validatorApi } = await parse(tls);
  assert.deepEqual(validatorApi.tls, { certFile: "c.pem", keyFile: "k.pem" });
  await assert.rejects(parse({ "validator-api-tls-key-file": "k.pem" }), /come together/);
});

test("lists are split at commas and trimmed", async () => {
  const options = await parse({ "beacon-node-endpoints": "http://a:5052, https://b/key ," });
  assert.deepEqual(options.beaconNodeEndpoints, ["http://a:5052", "https://b/key"]);
});

test("peers come as host and port or as multiaddresses, in a list or a file", async () => {
  const expected = [
    { peer: 1, multiaddr: "/ip4/198.51.100.7/tcp/3610" },
    { peer: 2, multiaddr: "/dns4/carol.example/tcp/3610" },
    { peer: 2, multiaddr: "/ip6/2001:db8::7/tcp/3610" },
    { peer: 3, multiaddr: "/ip4/203.0.113.1/tcp/1/ws" },
  ];
  const items = [
    "1=198.51.100.7:3610",
    "2=carol.example:3610",
    "2=[2001:db8::7]:3610",
    "3=/ip4/203.0.113.1/tcp/1/ws",
  ];
  assert.deepEqual((await parse({ "p2p-peers": items.join(",") })).p2pPeers, expected);
  const file = `# the squad\n${items.join("\n")}\n\n`;
  assert.deepEqual((await parse({ "p2p-peers": "peers.txt" }, file)).p2pPeers, expected);
});

const BAD: readonly (readonly [flag: string, value: string])[] = [
  ["beacon-node-endpoints", ""],
  ["beacon-node-endpoints", "localhost:5052"],
  ["beacon-node-endpoints", "ftp://host"],
  ["monitoring-address", "3620"],
  ["monitoring-address", "127.0.0.1:70000"],
  ["p2p-tcp-address", "http://0.0.0.0:3610"],
  ["p2p-peers", "alice=1.2.3.4:3610"],
  ["p2p-peers", "99=1.2.3.4:3610"],
  ["p2p-peers", "1=1.2.3.4"],
  ["p2p-peers", "1=1.2.3.4:0"],
  ["contract-wallets", "0x12"],
  ["signer", "both"],
  ["validator-api-address", "3600"],
  ["log-level", "verbose"],
  ["log-format", "xml"],
];
for (const [flag, value] of BAD) {
  test(`refuses --${flag} "${value}" by the flag's name`, async () => {
    await assert.rejects(parse({ [flag]: value }), (error) => {
      assert.ok(error instanceof UsageError);
      assert.ok(error.message.includes(`--${flag}`), error.message);
      return true;
    });
  });
}

test("a missing beacon node is named with every way to give one", async () => {
  const without = parseRunOptions(DEFAULTS, async () => "");
  await assert.rejects(without, (error) => {
    assert.ok(error instanceof UsageError);
    assert.equal(error.message, "--beacon-node-endpoints is required");
    assert.match(error.fix ?? "", /environment variable, or write it into the --config file/);
    return true;
  });
});
