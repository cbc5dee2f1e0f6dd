/** What a network is for: the channels that it carries, and under which names (NET-1). */
import type { Root } from "../../domain/keys.ts";
import {
  CEREMONY_CHANNELS,
  type CeremonyChannel,
  CHANNELS,
  type Channel,
} from "../../ports/network.ts";

export type AnyChannel = Channel | CeremonyChannel;

export type Scope<Name extends AnyChannel> = {
  readonly channels: readonly Name[];
  /** Channels whose frames are also gossiped. */
  readonly gossiped: readonly Name[];
  readonly protocolOf: (channel: Name) => string;
  readonly topicOf: (channel: Name) => string;
  /** Whether a link is of use without the channel, which the peer may not speak. */
  readonly isOptional: (channel: Name) => boolean;
  /** Whether frames may be answered on the stream that they came on (NET-14). */
  readonly isAnswered: (channel: Name) => boolean;
};

/** Names bind the cluster, so that frames never enter another one's protocol. */
export function clusterScope(lockHash: Root): Scope<Channel> {
  const name = (channel: Channel): string => `coterie/${lockHash.slice(2)}/${channel}/1`;
  return {
    channels: CHANNELS,
    gossiped: CHANNELS,
    protocolOf: (channel) => `/${name(channel)}`,
    topicOf: name,
    isOptional: () => false,
    isAnswered: (channel) => channel === "status",
  };
}

/**
 * The ceremony's frames are bound to the definition, the lobby's are not: there operators whose
 * definitions differ learn in which field (LOBBY-1).
 */
export function ceremonyScope(definitionHash: Root): Scope<CeremonyChannel> {
  const bound = `coterie/${definitionHash.slice(2)}/ceremony/1`;
  const name = (channel: CeremonyChannel): string =>
    channel === "ceremony" ? bound : "coterie/lobby/1";
  return {
    channels: CEREMONY_CHANNELS,
    gossiped: [],
    protocolOf: (channel) => `/${name(channel)}`,
    topicOf: name,
    isOptional: (channel) => channel === "ceremony",
    isAnswered: () => false,
  };
}
