/** Digits of any safe integer. */
const WIDTH = 16;

/** A whole number as text that sorts as the number does: part of a key, or of a file's name. */
export function sortable(value: number): string {
  return value.toString().padStart(WIDTH, "0");
}
