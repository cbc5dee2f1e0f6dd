/** `coterie dkg review`: what an operator agrees to, in words, and the words to compare (DEF-4). */
import { checksummedAddress } from "../../cluster/addresses.ts";
import { type ClusterDefinition, isCompounding } from "../../cluster/definition.ts";
import { depositAmountsOf, ethText } from "../../cluster/depositAmounts.ts";
import { fieldBytes } from "../../cluster/fields.ts";
import { fingerprintOf } from "../../cluster/fingerprint.ts";
import { networkOf } from "../../cluster/networks.ts";
import { targetGasLimitOf } from "../../cluster/newDefinition.ts";
import { rootOf } from "../../domain/keys.ts";
import { faulty, liveNodesNeeded } from "../../domain/quorum.ts";

/** Lines of one list; the JSON form has everything. */
const MAX_SHOWN = 20;

/** The text of the command's answer. */
export function showDefinition(
  definition: ClusterDefinition,
  self: number | null,
  isJson: boolean,
): string {
  if (!isJson) return describeDefinition(definition, self);
  return `${JSON.stringify(summaryOf(definition, self), null, 2)}\n`;
}

/** What the definition says, as values; `self` is the reader's position, null for an outsider. */
function summaryOf(definition: ClusterDefinition, self: number | null) {
  const { operators, threshold } = definition;
  const amounts = depositAmountsOf(definition);
  return {
    name: definition.name,
    fingerprint: fingerprintOf(rootOf(fieldBytes(definition.definition_hash))),
    definitionHash: definition.definition_hash,
    version: definition.version,
    createdAt: definition.timestamp,
    network: networkOf(definition.fork_version)?.name ?? null,
    forkVersion: definition.fork_version,
    threshold,
    operators: operators.map(({ enr, address }, i) => ({
      index: i,
      enr,
      address: address === "" ? null : checksummedAddress(address),
      isYou: i === self,
    })),
    approvedByWallets: operators.some(({ config_signature }) => config_signature !== ""),
    validators: definition.validators.map((validator) => ({
      withdrawalAddress: checksummedAddress(validator.withdrawal_address),
      feeRecipient: checksummedAddress(validator.fee_recipient_address),
    })),
    withdrawalType: isCompounding(definition) ? "0x02" : "0x01",
    depositAmountsEth: amounts.map(ethText),
    targetGasLimit: targetGasLimitOf(definition).toString(),
  };
}

/** The same for people. */
export function describeDefinition(definition: ClusterDefinition, self: number | null): string {
  const summary = summaryOf(definition, self);
  const { operators, validators, threshold, withdrawalType } = summary;
  const kind = withdrawalType === "0x02" ? "compounding, up to 2048 ETH" : "paid out above 32 ETH";
  const approvals = summary.approvedByWallets
    ? "every wallet's signature holds"
    : "none by wallets";
  return [
    `cluster      ${summary.name} (${summary.version}, ${summary.createdAt})`,
    `network      ${summary.network ?? "private"} (fork version ${summary.forkVersion})`,
    ...listed("operators", operators.map(describeOperator)),
    ...meaningOf(operators.length, threshold).map((line, i) => heading(i, "threshold") + line),
    ...grouped(
      "withdrawals",
      "to",
      validators.map(({ withdrawalAddress }) => withdrawalAddress),
    ),
    `             type ${withdrawalType} (${kind}); check that the address is yours`,
    ...grouped(
      "fees",
      "to",
      validators.map(({ feeRecipient }) => feeRecipient),
    ),
    `deposits     ${summary.depositAmountsEth.join(" + ")} ETH for each validator`,
    `gas limit    ${summary.targetGasLimit}`,
    `approvals    ${approvals}`,
    `hash         ${summary.definitionHash}`,
    "",
    `fingerprint  ${summary.fingerprint}`,
    "Read these words to the other operators over the phone: they must see the same.",
    "",
  ].join("\n");
}

/** What a threshold means for those who trust it. */
function meaningOf(nodes: number, threshold: number): readonly string[] {
  const live = liveNodesNeeded(nodes, threshold);
  const offline = nodes - live;
  return [
    `${threshold} of ${nodes}: any ${threshold} together can sign, ${threshold - 1} cannot`,
    `${live} nodes must be online: the cluster survives ${count(offline, "node")} offline`,
    `and ${count(faulty(nodes), "operator")} who cheats`,
  ];
}

function describeOperator(operator: {
  readonly enr: string;
  readonly address: string | null;
  readonly isYou: boolean;
}): string {
  const { enr, address, isYou } = operator;
  const short = enr.length > 40 ? `${enr.slice(0, 24)}…${enr.slice(-12)}` : enr;
  return [short, ...(address === null ? [] : [address]), ...(isYou ? ["← you"] : [])].join("  ");
}

/** Validators with the same address share a line. */
function grouped(name: string, verb: string, addresses: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const address of addresses) counts.set(address, (counts.get(address) ?? 0) + 1);
  const lines = [...counts].map(([address, n]) => `${count(n, "validator")} ${verb} ${address}`);
  return limited(lines).map((line, i) => heading(i, name) + line);
}

function listed(name: string, items: readonly string[]): readonly string[] {
  const lines = items.map((item, i) => `${String(i).padStart(2)}  ${item}`);
  return limited(lines).map((line, i) => heading(i, name) + line);
}

function limited(lines: readonly string[]): readonly string[] {
  if (lines.length <= MAX_SHOWN) return lines;
  return [...lines.slice(0, MAX_SHOWN), `… and ${lines.length - MAX_SHOWN} more (--json has all)`];
}

function heading(line: number, name: string): string {
  return (line === 0 ? name : "").padEnd(13);
}

function count(n: number, thing: string): string {
  return n === 1 ? `1 ${thing}` : `${n} ${thing}s`;
}
