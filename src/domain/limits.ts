/**
 * Every bound of the program, with unit and derivation. Anything that comes from outside (peer,
 * beacon node, file, HTTP client) is measured against one of these before it costs memory or time.
 */
import { assert } from "../util/assert.ts";

/** Smallest cluster; three nodes tolerate a crash of none but are used for tests and trials. */
export const MIN_NODES = 3;
/** Largest cluster: the operator list of a definition is longer, but n² messages are not wanted. */
export const MAX_NODES = 31;
/** Distributed validators in one cluster lock (Obol's list limit is 65,536). */
export const MAX_VALIDATORS = 65_536;

/** Parsed BLS public keys kept at once, 300 bytes each: 10,000 validators with 10 shares. */
export const MAX_CACHED_PUBLIC_KEYS = 110_000;

/**
 * Signatures that are known to verify, 400 bytes each: the own and the combined ones of two slots
 * of a cluster with 65,536 validators.
 */
export const MAX_VERIFIED_SIGNATURES = 8_192;

/** A cluster definition or lock file, in bytes: 65,536 validators with 31 shares are 250 MiB. */
export const MAX_CLUSTER_FILE_BYTES = 512 * 1024 * 1024;
/** Nesting of any JSON that we parse. */
export const MAX_JSON_DEPTH = 32;

/** Largest agreed value in bytes: a block with its blobs (10 MiB gossip limit and margin). */
export const MAX_VALUE_BYTES = 16 * 1024 * 1024;
/**
 * Transactions of one block: of 21,000 gas at least, so that they are five times what 60 million
 * hold. They are hashed in a fraction of a second, the million of the consensus specs in ten.
 */
export const MAX_BLOCK_TRANSACTIONS = 16_384;
/** One frame on a direct stream: a value, its justification (2n votes of 256 bytes) and framing. */
export const MAX_FRAME_BYTES = MAX_VALUE_BYTES + 64 * 1024;
/** One gossiped frame: votes and partial signatures, never values. */
export const MAX_GOSSIP_FRAME_BYTES = 16 * 1024;
/** What a gossiped frame leaves for its payload: signature and fields take 80 bytes. */
export const MAX_GOSSIP_PAYLOAD_BYTES = MAX_GOSSIP_FRAME_BYTES - 128;
/** One consensus message without its value: 63 statements of at most 150 bytes, gossipable. */
export const MAX_CONSENSUS_MESSAGE_BYTES = 12 * 1024;
/** Bytes that wait for one slow peer before frames to it are dropped and counted. */
export const MAX_PEER_QUEUE_BYTES = 2 * MAX_FRAME_BYTES;

/** Connections held with one peer: two when both sides dialled at once. */
export const MAX_CONNECTIONS_PER_PEER = 2;
/** Inbound connections in their handshake at once, strangers' included. */
export const MAX_PENDING_CONNECTIONS = 64;
/** Dialling, or one handshake, in milliseconds: ten long round trips. */
export const CONNECT_TIMEOUT_MS = 5_000;
/** Longest pause between two dials of one peer: below a mainnet slot of 12,000 ms. */
export const MAX_RECONNECT_DELAY_MS = 8_000;
/**
 * Longest pause between two attempts to reach a relayed peer directly, or a relay: a wrong
 * address or a relay in trouble is not hammered.
 */
export const MAX_RELAY_RETRY_MS = 60_000;
/** Addresses of one peer or relay that are dialled: a handful of interfaces and forwarded ports. */
export const MAX_DIALLED_ADDRESSES = 16;
/** A relay's answer about its own addresses, in bytes. */
export const MAX_RELAY_ANSWER_BYTES = 64 * 1024;
/** How long one attempt to ask a relay for its addresses, or for a reservation, may take. */
export const RELAY_REQUEST_TIMEOUT_MS = 5_000;
/**
 * What an open relay carries for one circuit before it cuts it: half a day of a cluster's votes and
 * partial signatures, or a hundred blocks. A cut circuit is opened again.
 */
export const OPEN_RELAY_CIRCUIT_BYTES = 32 * 1024 * 1024;
export const OPEN_RELAY_CIRCUIT_MS = 60 * 60 * 1000;
/** How often a connection is asked whether it lives; streams would idle out after 120,000 ms. */
export const KEEP_ALIVE_MS = 10_000;
/** What one unacceptable frame costs a peer's score, which is zero in good standing. */
export const PEER_PENALTY = 10;
export const PEER_RECOVERY_PER_SECOND = 1;
/** Ten offences at once, or a steady one every ten seconds forgiven. */
export const MIN_PEER_SCORE = -100;
/** Frames of one peer that are heard at once: four slots of the worst case below. */
export const MAX_PEER_BURST_FRAMES = 1_000;
/**
 * Frames of one peer that are heard in the long run. Eight duty types with five messages in each of
 * six rounds are 240 in a slot, and the shortest slot of a public chain has five seconds.
 */
export const PEER_FRAMES_PER_SECOND = 200;
/** How long a peer stays disconnected then: five mainnet slots, never for good. */
export const PEER_BAN_MS = 60_000;

/** Rounds of one consensus instance (DESIGN §6). */
export const MAX_ROUND = 6;
/** Consensus instances alive at once: deadlines are within an epoch, two duty types per slot. */
export const MAX_INSTANCES = 256;
/** Messages kept per instance and peer: five types in each round and one of spare. */
export const MAX_MESSAGES_PER_PEER = 6 * MAX_ROUND;
/** Votes that justify one message: a quorum of ROUND-CHANGE and a quorum of PREPARE. */
export const MAX_JUSTIFICATIONS = 2 * MAX_NODES;
/** Pause between two questions for what was decided, in basis points of the slot (DESIGN §5). */
export const DECISION_PULL_BPS = 420;
/** Slots before a start whose duties are taken up again, if the cluster decided them. */
export const RESUMED_SLOTS = 3;
/** Value pulls that one peer may ask for within one instance. */
export const MAX_PULLS_PER_PEER = 2 * MAX_ROUND;

/** Entries of one partial-signature frame: each validator of the lock signs one root per duty. */
export const MAX_PARTIALS_PER_FRAME = MAX_VALIDATORS;
/** Distinct message roots in one partial-signature frame. */
export const MAX_ROOTS_PER_FRAME = MAX_VALIDATORS;

/** Pause between two heartbeats of a node, in milliseconds. */
export const HEARTBEAT_MS = 1_000;
/** A session that is not heard of for this long is over: three heartbeats may be lost. */
export const SESSION_SILENCE_MS = 3_500;
/** One encoded heartbeat: about 150 bytes. */
export const MAX_HEARTBEAT_BYTES = 256;
/** Characters of a release's name in a heartbeat. */
export const MAX_VERSION_LENGTH = 32;
/** One frame of the status channel: always gossipable. */
export const MAX_STATUS_FRAME_BYTES = MAX_GOSSIP_PAYLOAD_BYTES;
/** Answers that wait in one stream for a slow peer: all statements about 10,000 validators. */
export const MAX_REPLY_BUFFER_BYTES = 4 * 1024 * 1024;
/** Parts of one witness answer: two statements of each validator, some 70 in a part. */
export const MAX_WITNESS_PARTS = 2_048;

/**
 * How long partial signatures wait before they are checked as witnesses, in basis points of the
 * slot: the duty's own work comes first.
 */
export const WITNESS_DELAY_BPS = 1_000;
/** Epochs without a signature before a data directory signs that may have a rival (DESIGN §7). */
export const MIGRATION_WAIT_EPOCHS = 2;

/** Clocks of honest nodes differ by less, in milliseconds: what the chain's gossip allows. */
export const CLOCK_DISPARITY_MS = 500;

/** Epochs for which a decision's certificate is kept: about a day on mainnet (DESIGN §6). */
export const CERTIFICATE_EPOCHS = 256;
/** Certificates that are deleted with one batch, beside those that it adds. */
export const CERTIFICATE_PRUNE_BATCH = 64;
/** Certificates read lately that are held in memory: two epochs of attestations and blocks. */
export const MAX_CERTIFICATES_HELD = 128;
/** Certificates that wait for a batch of the slashing records before one is written for them. */
export const MAX_CERTIFICATES_WAITING = 32;

/** Messages that somebody explains, or nobody: every slot for as long as certificates are kept. */
export const MAX_OPEN_SIGHTINGS = CERTIFICATE_EPOCHS * 32;
/** Messages that were judged and are not judged again when the next block shows them. */
export const MAX_JUDGED_SIGHTINGS = 4_096;
/** Pause between two rounds of questions about what was seen, in milliseconds. */
export const SIGHTING_ROUND_MS = 1_000;
/** Questions to one peer in such a round: a tenth of what it hears of one peer. */
export const SIGHTINGS_PER_ROUND = 20;
/** Pause before a peer that did not answer is asked the same again, in milliseconds. */
export const SIGHTING_RETRY_MS = 4_000;
/** Answers that are looked up for one peer at once. */
export const MAX_SIGHTING_LOOKUPS = 64;
/** Blocks without a head event of their own that are looked at: an epoch of them. */
export const MAX_BLOCKS_BEHIND = 32;

/** Slots for which a share that lied is verified before it is used (DESIGN §5). */
export const SUSPECT_SLOTS = 32;

/** Attempts of one ceremony under one acceptance: each aborted one may have shown a key. */
export const MAX_CEREMONY_ATTEMPTS = 3;
/** Attempts by which an operator may be ahead of another: years of aborts, for a new disk. */
export const MAX_CEREMONY_ATTEMPTS_AHEAD = 1_000;
/** What an operator says in a ceremony's lobby: a digest for each field of a definition. */
export const MAX_HELLO_BYTES = 16 * 1024;
/**
 * Distributed validators of one ceremony: the largest message (31 commitments of 48 bytes and a
 * proof of 96 bytes each) fits into one frame.
 */
export const MAX_CEREMONY_VALIDATORS = 10_000;
/** Evidence against one operator of a ceremony, in bytes: the dealings of 31 operators and more. */
export const MAX_CEREMONY_BLAME_BYTES = 64 * MAX_FRAME_BYTES;
/** Text of the program's version in a ceremony, in bytes. */
export const MAX_CEREMONY_VERSION_BYTES = 64;
/** Times that one peer is sent one message of a ceremony again: a bad link, not a hose. */
export const MAX_CEREMONY_RESENDS = 32;

/** Proofs of misbehaviour kept per run: enough to convict, too few to fill a disk. */
export const MAX_EVIDENCE_RECORDS = 1_000;

/**
 * Signed messages of each kind kept per validator above its low watermark: at one attestation per
 * epoch the last hour and a half, while an attestation is of use for two epochs at most. Each of
 * them is 10,000 records to read at the start of a node with 10,000 validators.
 */
export const SLASHING_RECORDS_KEPT = 16;
/** Messages beyond those before a validator's oldest ones are forgotten together. */
export const SLASHING_RECORDS_SLACK = 8;
/** Forgotten messages deleted with one batch, beyond as many as the batch adds. */
export const SLASHING_PRUNE_BATCH = 64;
/**
 * Slots for which the messages that a share signed are counted per duty: as long as any duty's
 * state is kept (an attestation's, for an epoch and a slot), and as much again.
 */
export const SIGNING_LIMIT_SLOTS = 66;
/** How often what was audited is made visible in the audit file, in milliseconds. */
export const AUDIT_PROJECTION_MS = 1_000;
/** Such rounds between two syncs of the file, after which the store forgets its copies. */
export const AUDIT_SYNC_ROUNDS = 10;
/**
 * Durable audit lines that a node holds in memory for the file, 400 bytes each: 2 MB, twenty times
 * what a thousand validators decide between two syncs of it. Of more, the rest stays in the store.
 */
export const MAX_AUDIT_LINES_HELD = 5_000;
/**
 * Audit lines that wait for a batch while the store takes none, in number: some minutes of refusals
 * of a large cluster, 2 MB. At the bound the node signs nothing (AUDIT-8).
 */
export const MAX_AUDIT_LINES_PENDING = 5_000;
/** One audit file, in bytes: 40,000 entries, a hundred validators' day. */
export const MAX_AUDIT_FILE_BYTES = 16 * 1024 * 1024;
/** Audit files that are kept: a gigabyte. */
export const MAX_AUDIT_FILES = 64;
/** Characters of the reason that is kept with a freeze. */
export const MAX_FREEZE_REASON = 500;
/** Time between two signs of life of the process that holds a data directory, in milliseconds. */
export const INSTANCE_LOCK_HEARTBEAT_MS = 2_000;
/** Silence after which a holder that this machine cannot look up is dead, in milliseconds. */
export const INSTANCE_LOCK_STALE_MS = 10_000;
/** A slashing interchange file in bytes: 1,000 validators with 900 messages of 140 bytes each. */
export const MAX_INTERCHANGE_BYTES = 128 * 1024 * 1024;

/** One file of a backup, in bytes: a large cluster's lock, or its ceremony's transcript. */
export const MAX_BACKUP_FILE_BYTES = MAX_CLUSTER_FILE_BYTES;
/** Records of the database in one file of a backup, in bytes: some milliseconds to encode. */
export const BACKUP_RECORDS_BYTES = 1024 * 1024;
/** Files of one backup: keystores and passwords of 10,000 validators, and what else there is. */
export const MAX_BACKUP_FILES = 32_768;
/** All records of the database in bytes: four times those of 10,000 validators. */
export const MAX_BACKUP_RECORDS_BYTES = 512 * 1024 * 1024;
/** A whole backup in bytes, opened: a gigabyte of audit files, and as much again. */
export const MAX_BACKUP_BYTES = 2 * 1024 * 1024 * 1024;

/**
 * How long a validator client's request waits for a decision, in basis points of the slot: below
 * the quarter of a slot after which the most impatient client hangs up, with room for the answer.
 */
export const VC_WAIT_BPS = 2_300;
/**
 * The same for a block, which some clients ask for once and wait for to the end of the slot: its
 * last round ends after 5,500 basis points, and its bytes may have to be pulled then. A client with
 * less patience hangs up and has lost nothing.
 */
export const VC_BLOCK_WAIT_BPS = 6_000;
/** Body of a request to the Beacon API: the largest value as JSON, which doubles its bytes. */
export const MAX_VC_BODY_BYTES = 2 * MAX_VALUE_BYTES + 1024 * 1024;
/** Connections of validator clients: five clients with a dozen each, and event streams. */
export const MAX_VC_CONNECTIONS = 256;
/** Signatures of one submission that are traced to whoever made them: each costs n + 1 checks. */
export const MAX_TRACED_SIGNATURES = 8;
/** Topics of one event stream: the Beacon API has some twenty. */
export const MAX_EVENT_TOPICS = 32;

/** Body of one beacon node answer that we parse ourselves, in bytes. */
export const MAX_BEACON_RESPONSE_BYTES = 128 * 1024 * 1024;
/** Time for one beacon node request that has no duty deadline, in milliseconds. */
export const BEACON_REQUEST_TIMEOUT_MS = 10_000;

assert(
  INSTANCE_LOCK_STALE_MS >= 4 * INSTANCE_LOCK_HEARTBEAT_MS,
  "a busy machine may miss some heartbeats of a living holder",
);
assert(
  MAX_CEREMONY_VALIDATORS * (48 * MAX_NODES + 96) + 8_192 <= MAX_FRAME_BYTES,
  "a dealing for the largest cluster fits into one frame",
);
assert(MAX_GOSSIP_FRAME_BYTES < MAX_FRAME_BYTES, "gossip frames are the small ones");
assert(KEEP_ALIVE_MS <= 60_000, "a quiet stream is kept from idling out");
assert(MAX_CONSENSUS_MESSAGE_BYTES < MAX_GOSSIP_PAYLOAD_BYTES, "every vote can be gossiped");
assert(
  MAX_CONSENSUS_MESSAGE_BYTES >= 150 * (1 + MAX_JUSTIFICATIONS),
  "a message fits with a full justification",
);
assert(
  MAX_VALUE_BYTES + MAX_CONSENSUS_MESSAGE_BYTES + 1024 <= MAX_FRAME_BYTES,
  "a value fits with the message that proposes it",
);
assert(
  2 * SIGHTINGS_PER_ROUND * (1_000 / SIGHTING_ROUND_MS) <= PEER_FRAMES_PER_SECOND,
  "questions and answers leave room for duties",
);
assert(MAX_JUSTIFICATIONS >= 2 * MAX_NODES, "a justification holds two quorums");
assert(MAX_PEER_QUEUE_BYTES >= 2 * MAX_FRAME_BYTES, "a queue holds the largest frame and more");
assert(
  MAX_BACKUP_FILE_BYTES >= 2 * MAX_AUDIT_FILE_BYTES && MAX_BACKUP_FILE_BYTES > BACKUP_RECORDS_BYTES,
  "the files of a backup fit",
);
assert(
  MAX_BACKUP_BYTES >= MAX_AUDIT_FILES * MAX_AUDIT_FILE_BYTES + MAX_BACKUP_RECORDS_BYTES,
  "a backup holds what a data directory may hold",
);
