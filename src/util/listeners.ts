/** Subscribers of one event, called in the order in which they subscribed. */
export class Listeners<Arguments extends readonly unknown[]> {
  readonly #handlers: ((...args: Arguments) => void)[] = [];

  add(handler: (...args: Arguments) => void): void {
    this.#handlers.push(handler);
  }

  emit(...args: Arguments): void {
    for (const handler of this.#handlers) handler(...args);
  }
}
