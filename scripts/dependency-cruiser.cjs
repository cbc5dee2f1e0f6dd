/**
 * Module boundaries (DESIGN: rings, arrows point inward only). What imports cannot show is banned
 * by token in scripts/tidy.ts.
 */

/** Ring → rings that it may import; its own folder is always allowed. */
const RINGS = {
  util: [],
  domain: ["util"],
  eth2: ["util", "domain"],
  ports: ["util", "domain", "eth2"],
  crypto: ["util", "domain", "ports"],
  cluster: ["util", "domain", "eth2", "ports", "crypto"],
  wire: ["util", "domain", "ports", "crypto", "qbft"],
  qbft: ["util", "domain"],
  safety: ["util", "domain", "ports"],
  duties: ["util", "domain", "eth2", "ports", "safety"],
  dkg: ["util", "domain", "eth2", "ports", "crypto", "cluster", "wire"],
  core: [
    "util",
    "domain",
    "eth2",
    "ports",
    "crypto",
    "cluster",
    "wire",
    "qbft",
    "safety",
    "duties",
    "dkg",
  ],
  node: [
    "util",
    "domain",
    "eth2",
    "ports",
    "crypto",
    "cluster",
    "wire",
    "qbft",
    "safety",
    "duties",
    "dkg",
    "core",
  ],
  adapters: ["util", "domain", "eth2", "ports", "crypto", "cluster"],
};
/** Rings that may call Node's own modules; everybody else has the ports. */
const IO_RINGS = ["crypto", "adapters", "cli"];
/** Arithmetic that Node brings along is no door to the world. */
const ARITHMETIC = "util/crc32\\.ts$";

const ringPath = (names) => `^src/(${names.join("|")})/`;

const ringRules = Object.entries(RINGS).map(([ring, below]) => ({
  name: `ring-${ring}`,
  comment: `src/${ring} may import only: ${[ring, ...below].join(", ")}`,
  severity: "error",
  from: { path: `^src/${ring}/` },
  to: { path: "^src/", pathNot: ringPath([ring, ...below]) },
}));

/** `packages` (a regular expression) may be imported only from files that match `where`. */
const only = (name, where, packages) => ({
  name,
  comment: `only ${where} may import ${packages}`,
  severity: "error",
  from: { path: "^(src|sim)/", pathNot: where },
  to: { path: `node_modules/(${packages})` },
});

const libraryRules = [
  only(
    "libp2p-only-in-p2p",
    "^src/adapters/p2p/",
    "libp2p/|@libp2p/|@multiformats/|@chainsafe/libp2p-",
  ),
  only("level-only-in-storage", "^src/adapters/storage/", "(level|classic-level|abstract-level)/"),
  only("curves-only-in-crypto", "^(src/crypto|sim/devchain)/", "@chainsafe/blst/|@noble/"),
  only("identity-keys-only-in-crypto", "^src/crypto/", "secp256k1/|@chainsafe/(enr|bls-keystore)/"),
  only(
    "ssz-only-next-to-the-spec",
    "^(src/(eth2|cluster|adapters/(beacon|http))|sim/devchain)/",
    "@chainsafe/(ssz|persistent-merkle-tree)/|@lodestar/",
  ),
  only(
    "http-only-in-its-adapters",
    "^(src/adapters/(beacon|http)|sim/devchain)/",
    "(fastify|undici)/",
  ),
  only("protobuf-only-in-wire", "^src/wire/", "@bufbuild/"),
  only("pino-only-in-the-logger", "^src/adapters/system/logger\\.ts$", "pino/"),
  only("prom-client-only-in-metrics", "^src/adapters/system/metrics\\.ts$", "prom-client/"),
  only("commander-only-in-cli", "^(src/cli/|sim/main\\.ts$)", "commander/"),
];

module.exports = {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
    { name: "not-unresolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    ...ringRules,
    {
      name: "unknown-ring",
      comment: "a folder of src/ that has no row in RINGS",
      severity: "error",
      from: { path: "^src/", pathNot: `^src/((${Object.keys(RINGS).join("|")}|cli)/|main\\.ts$)` },
      to: {},
    },
    {
      name: "main-only-starts-the-cli",
      comment: "two edges only: the command line, and the simulator by dynamic import",
      severity: "error",
      from: { path: "^src/main\\.ts$" },
      to: { path: "^(src|sim)/", pathNot: "^(src/cli/|sim/main\\.ts$)" },
    },
    {
      name: "io-only-at-the-edge",
      comment: "time, disks, sockets and randomness come through the ports",
      severity: "error",
      from: { path: "^src/", pathNot: `^src/((${IO_RINGS.join("|")})/|main\\.ts$|${ARITHMETIC})` },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "adapters-are-strangers",
      severity: "error",
      from: { path: "^src/adapters/([^/]+)/" },
      to: { path: "^src/adapters/", pathNot: "^src/adapters/$1/" },
    },
    {
      name: "one-door-to-the-node",
      comment: "createNode has two callers: the run command and the simulator",
      severity: "error",
      from: { path: "^(src|sim)/", pathNot: "^(src/node/|src/cli/run\\.ts$|sim/world\\.ts$)" },
      to: { path: "^src/node/node\\.ts$", dependencyTypesNot: ["type-only"] },
    },
    {
      name: "src-knows-no-sim-or-test",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/main\\.ts$" },
      to: { path: "^(sim|test|scripts)/" },
    },
    {
      name: "devchain-stands-outside",
      comment: "the judge of our work must not share our code",
      severity: "error",
      from: { path: "^sim/devchain/" },
      to: { path: "^(src|sim|test|scripts)/", pathNot: "^(sim/devchain/|src/util/)" },
    },
    {
      name: "nobody-needs-the-devchain",
      severity: "error",
      from: { path: "^(src|sim)/", pathNot: "^sim/devchain/" },
      to: { path: "^sim/devchain/" },
    },
    {
      name: "sim-runs-the-node",
      comment: "the simulator fills the ports itself; the chaos peer alone runs the command line",
      severity: "error",
      from: { path: "^sim/", pathNot: "^sim/(devchain/|commands/chaosPeer\\.ts$)" },
      to: { path: "^(src/(adapters|cli)/|test/|scripts/)" },
    },
    {
      name: "no-dev-dependencies-in-src",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["npm", "type-only"] },
    },
    ...libraryRules,
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["node", "import", "default"],
    },
  },
};
