/** Builds the genesis state: every validator active from the start, no deposits, no EL. */
import "./hasher.ts";
import { createHash } from "node:crypto";
import { type ChainForkConfig, createBeaconConfig } from "@lodestar/config";
import * as params from "@lodestar/params";
import {
  type BeaconStateElectra,
  type BeaconStateFulu,
  type CachedBeaconStateFulu,
  computeEpochShuffling,
  computeProposers,
  createCachedBeaconState,
  getNextSyncCommittee,
  getSeed,
  type PubkeyCache,
} from "@lodestar/state-transition";
import { upgradeStateToGloas } from "@lodestar/state-transition/slot";
import { ssz } from "@lodestar/types";

const ETHER_GWEI = 1_000_000_000;
const STAKE_GWEI = 32 * ETHER_GWEI;
const ETH1_BLOCK_HASH = new Uint8Array(32).fill(0x42);

export interface GenesisOptions {
  /** Compressed keys; validator i of the registry is the i-th. */
  readonly pubkeys: readonly Uint8Array[];
  /** Unix seconds. */
  readonly genesisTime: number;
  readonly pubkeyCache: PubkeyCache;
}

/**
 * The genesis state of the fork active at slot 0. Gloas is reached by upgrading a Fulu genesis,
 * because its registry lists are progressive and the upgrade knows how to build them.
 */
export function buildGenesisState(
  config: ChainForkConfig,
  options: GenesisOptions,
): BeaconStateElectra {
  const seq = config.getForkSeq(0);
  if (seq === params.ForkSeq.electra) return buildElectraLike(config, options);
  const fulu = buildElectraLike(config, options);
  return seq === params.ForkSeq.fulu ? fulu : upgradeToGloas(config, fulu, options.pubkeyCache);
}

/** The hash an execution client would have; nothing checks it but the chain of parent hashes. */
export function fakeBlockHash(parentHash: Uint8Array, label: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(parentHash).update(label).digest());
}

function buildElectraLike(config: ChainForkConfig, options: GenesisOptions): BeaconStateElectra {
  const isFulu = config.getForkSeq(0) >= params.ForkSeq.fulu;
  const types = isFulu ? ssz.fulu : ssz.electra;
  const version = isFulu ? config.FULU_FORK_VERSION : config.ELECTRA_FORK_VERSION;
  const state = types.BeaconState.defaultViewDU() as BeaconStateElectra;
  const count = options.pubkeys.length;
  state.genesisTime = options.genesisTime;
  state.fork = ssz.phase0.Fork.toViewDU({
    previousVersion: version,
    currentVersion: version,
    epoch: 0,
  });
  state.latestBlockHeader = genesisHeader(
    types.BeaconBlockBody.hashTreeRoot(types.BeaconBlockBody.defaultValue()),
  );
  state.eth1Data = ssz.phase0.Eth1Data.toViewDU({
    depositRoot: new Uint8Array(32),
    depositCount: BigInt(count),
    blockHash: ETH1_BLOCK_HASH,
  });
  // Equal to depositCount, or every block would have to carry deposits.
  state.eth1DepositIndex = count;
  state.randaoMixes = ssz.phase0.RandaoMixes.toViewDU(
    Array.from({ length: params.EPOCHS_PER_HISTORICAL_VECTOR }, () => ETH1_BLOCK_HASH),
  );
  addValidators(state, options.pubkeys);
  setCommittees(config, state, count);
  const header = types.ExecutionPayloadHeader.defaultValue();
  header.blockHash = fakeBlockHash(new Uint8Array(32), "genesis");
  header.gasLimit = 30_000_000;
  header.timestamp = options.genesisTime;
  header.baseFeePerGas = 7n;
  state.latestExecutionPayloadHeader = types.ExecutionPayloadHeader.toViewDU(header);
  state.depositRequestsStartIndex = params.UNSET_DEPOSIT_REQUESTS_START_INDEX;
  state.commit();
  return state;
}

function genesisHeader(bodyRoot: Uint8Array): BeaconStateElectra["latestBlockHeader"] {
  return ssz.phase0.BeaconBlockHeader.toViewDU({
    slot: 0,
    proposerIndex: 0,
    parentRoot: new Uint8Array(32),
    stateRoot: new Uint8Array(32),
    bodyRoot,
  });
}

function addValidators(state: BeaconStateElectra, pubkeys: readonly Uint8Array[]): void {
  for (const pubkey of pubkeys) {
    // 0x01 credentials: rewards above 32 ETH leave as partial withdrawals, so payloads carry some.
    const withdrawalCredentials = new Uint8Array(32);
    withdrawalCredentials[0] = params.ETH1_ADDRESS_WITHDRAWAL_PREFIX;
    withdrawalCredentials.set(fakeBlockHash(pubkey, "withdrawal").subarray(12), 12);
    state.validators.push(
      ssz.phase0.Validator.toViewDU({
        pubkey,
        withdrawalCredentials,
        effectiveBalance: STAKE_GWEI,
        slashed: false,
        activationEligibilityEpoch: 0,
        activationEpoch: 0,
        exitEpoch: params.FAR_FUTURE_EPOCH,
        withdrawableEpoch: params.FAR_FUTURE_EPOCH,
      }),
    );
    state.balances.push(STAKE_GWEI);
    state.previousEpochParticipation.push(0);
    state.currentEpochParticipation.push(0);
    state.inactivityScores.push(0);
  }
  state.commit();
  state.genesisValidatorsRoot = state.validators.hashTreeRoot();
}

function setCommittees(config: ChainForkConfig, state: BeaconStateElectra, count: number): void {
  const seq = Math.min(config.getForkSeq(0), params.ForkSeq.fulu);
  const active = Uint32Array.from({ length: count }, (_, index) => index);
  const balances = new Uint16Array(count).fill(STAKE_GWEI / ETHER_GWEI);
  const { syncCommittee } = getNextSyncCommittee(seq, state, active, balances);
  state.currentSyncCommittee = ssz.altair.SyncCommittee.toViewDU(syncCommittee);
  state.nextSyncCommittee = ssz.altair.SyncCommittee.toViewDU(syncCommittee);
  if (seq < params.ForkSeq.fulu) return;
  const lookahead: number[] = [];
  for (let epoch = 0; epoch <= params.MIN_SEED_LOOKAHEAD; epoch++) {
    const seed = getSeed(state, epoch, params.DOMAIN_BEACON_PROPOSER);
    const shuffling = computeEpochShuffling(state, active, epoch);
    lookahead.push(...computeProposers(seq, seed, shuffling, balances));
  }
  const fulu = state as unknown as BeaconStateFulu;
  fulu.proposerLookahead = ssz.fulu.ProposerLookahead.toViewDU(lookahead);
}

function upgradeToGloas(
  config: ChainForkConfig,
  fulu: BeaconStateElectra,
  pubkeyCache: PubkeyCache,
): BeaconStateElectra {
  const far = Number.POSITIVE_INFINITY;
  const fuluConfig = createBeaconConfig(
    { ...config, GLOAS_FORK_EPOCH: far, HEZE_FORK_EPOCH: far },
    fulu.genesisValidatorsRoot,
  );
  const cached = createCachedBeaconState(fulu, { config: fuluConfig, pubkeyCache });
  const upgraded = upgradeStateToGloas(cached as unknown as CachedBeaconStateFulu);
  const version = config.GLOAS_FORK_VERSION;
  upgraded.fork = ssz.phase0.Fork.toViewDU({
    previousVersion: version,
    currentVersion: version,
    epoch: 0,
  });
  const { BeaconBlockBody } = ssz.gloas;
  upgraded.latestBlockHeader = genesisHeader(
    BeaconBlockBody.hashTreeRoot(BeaconBlockBody.defaultValue()),
  );
  upgraded.commit();
  // A plain view of the tree: the upgrade's caches were made under the Fulu-only config.
  return ssz.gloas.BeaconState.getViewDU(upgraded.node) as unknown as BeaconStateElectra;
}
