/** Unpredictable bytes; the simulator's come from its seed. */
export interface Random {
  bytes(length: number): Uint8Array;
}
