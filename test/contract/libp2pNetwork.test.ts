import { Libp2pHub } from "../support/libp2pHub.ts";
import { networkContract } from "./network.ts";

networkContract("libp2p over loopback", (options) => Libp2pHub.create(options));
