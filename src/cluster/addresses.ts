/** Execution-layer addresses, whose capitals are a checksum against typing errors (EIP-55). */
import { addr } from "micro-eth-signer";

const ADDRESS = /^0x[0-9a-fA-F]{40}$/;
const ZERO_ADDRESS = `0x${"0".repeat(40)}`;

/** The address with its checksum in capitals; `address` is a 20-byte 0x hex text. */
export function checksummedAddress(address: string): `0x${string}` {
  return addr.addChecksum(address.toLowerCase()) as `0x${string}`;
}

/**
 * What is wrong with an address that money or fees will go to; null when nothing is (DEF-2). One in
 * small letters carries no checksum, which `isChecksumNeeded` refuses as well.
 */
export function addressFault(
  text: string,
  { isChecksumNeeded }: { readonly isChecksumNeeded: boolean },
): string | null {
  if (!ADDRESS.test(text)) return "is no 20-byte address";
  if (text.toLowerCase() === ZERO_ADDRESS) return "is the zero address: money sent there is lost";
  if (text === checksummedAddress(text)) return null;
  const digits = text.slice(2);
  const hasChecksum = digits !== digits.toLowerCase() && digits !== digits.toUpperCase();
  if (hasChecksum) return "has a wrong checksum (EIP-55): a character was mistyped";
  return isChecksumNeeded
    ? "carries no checksum (EIP-55), so a typing error would go unnoticed"
    : null;
}
