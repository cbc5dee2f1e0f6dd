/** One-way hops of a frame between two processes over the node's libp2p adapter. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createLibp2pNetwork, type Libp2pNetwork } from "../../src/adapters/p2p/libp2pNetwork.ts";
import { clusterScope } from "../../src/adapters/p2p/scope.ts";
import { systemClock } from "../../src/adapters/system/clock.ts";
import { createLogger } from "../../src/adapters/system/logger.ts";
import { createMetrics } from "../../src/adapters/system/metrics.ts";
import { systemRandom } from "../../src/adapters/system/random.ts";
import { generateK1SecretKey, k1PublicKey } from "../../src/crypto/k1.ts";
import type { Root } from "../../src/domain/keys.ts";
import { toHex } from "../../src/util/bytes.ts";
import type { HopCluster } from "./hopPeer.ts";

const LOCK_HASH = `0x${"aa".repeat(32)}` as Root;
/** About the mean of a duty's frames: a vote has 150 bytes, twelve partial signatures 1,300. */
const FRAME_BYTES = 500;

export class Hops {
  readonly #peer: ChildProcess;
  readonly #p2p: Libp2pNetwork;
  #onEcho: () => void = () => undefined;

  private constructor(peer: ChildProcess, p2p: Libp2pNetwork) {
    this.#peer = peer;
    this.#p2p = p2p;
    p2p.network.onFrame("consensus", () => this.#onEcho());
  }

  /** Resolves once the two processes are connected. */
  static async start(): Promise<Hops> {
    const [ours, theirs] = [generateK1SecretKey(systemRandom), generateK1SecretKey(systemRandom)];
    const peer = fork(join(import.meta.dirname, "hopPeer.ts"));
    const cluster: HopCluster = {
      lockHash: LOCK_HASH,
      secretKey: toHex(theirs),
      peerKey: toHex(k1PublicKey(ours)),
    };
    peer.send(cluster);
    const [address] = await once(peer, "message");
    const p2p = await createLibp2pNetwork({
      secretKey: ours,
      self: 0,
      peers: [{ index: 1, publicKey: k1PublicKey(theirs), addresses: [String(address)] }],
      listen: [],
      scope: clusterScope(LOCK_HASH),
      validateGossip: () => "ignore",
      clock: systemClock,
      logger: createLogger({ level: "error", format: "json" }),
      metrics: createMetrics({}),
    });
    const connected = new Promise<void>((resolve) => {
      p2p.network.onPath((_, path) => path === "direct" && resolve());
    });
    await p2p.start();
    await connected;
    const hops = new Hops(peer, p2p);
    // The peer's own stream back may open a little later than ours.
    while (!(await hops.#tryRoundTrip())) await systemClock.sleep(100, AbortSignal.timeout(10_000));
    return hops;
  }

  /** There and back: two hops. */
  roundTrip(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEcho = resolve;
      this.#p2p.network.send(1, "consensus", new Uint8Array(FRAME_BYTES).fill(7));
    });
  }

  async stop(): Promise<void> {
    await this.#p2p.stop();
    this.#peer.kill("SIGKILL");
    await once(this.#peer, "exit");
  }

  async #tryRoundTrip(): Promise<boolean> {
    const lost = new Promise<false>((resolve) => setTimeout(resolve, 200, false));
    return Promise.race([this.roundTrip().then(() => true), lost]);
  }
}
