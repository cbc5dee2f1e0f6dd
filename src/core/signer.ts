/** Has this operator's key shares sign what was decided. */
import type { UnsignedData } from "../domain/data.ts";
import type { Duty } from "../domain/duty.ts";
import { shareIndexOf } from "../domain/keys.ts";
import type { DutyKind } from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Identity } from "../ports/identity.ts";
import type { PartialSigner } from "../ports/partialSigner.ts";
import { Listeners } from "../util/listeners.ts";
import type { Background } from "./background.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Scheduler, Signed, Signer, Tracker } from "./interfaces.ts";

type SignerParts = {
  readonly chain: Chain;
  readonly identity: Identity;
  readonly signer: PartialSigner;
  readonly scheduler: Scheduler;
  readonly deadlines: Deadlines;
  readonly background: Background;
  readonly kindOf: (duty: Duty) => DutyKind;
  readonly tracker: Tracker;
};

export class DutySigner implements Signer {
  readonly #parts: SignerParts;
  readonly #signed = new Listeners<[Signed]>();

  constructor(parts: SignerParts) {
    this.#parts = parts;
  }

  onSigned(handler: (signed: Signed) => void): void {
    this.#signed.add(handler);
  }

  sign(data: UnsignedData): void {
    const { background, tracker } = this.#parts;
    background.run(
      () => this.#sign(data),
      (fault) => tracker.noted(data.duty, fault.code),
    );
  }

  async #sign(data: UnsignedData): Promise<void> {
    const { chain, identity, signer, scheduler, deadlines, kindOf, tracker } = this.#parts;
    const { duty } = data;
    const tasks = kindOf(duty)
      .tasks(data, scheduler.definitions(duty), chain)
      .filter(({ validator }) => signer.validators.has(validator));
    if (tasks.length === 0) return;
    const signed = await signer.sign(tasks, deadlines.signalOf(duty));
    if (signed.length < tasks.length) tracker.noted(duty, "some key shares did not sign");
    if (signed.length === 0) return;
    const signatures = signed.map(({ task, signature }) => ({
      validator: task.validator,
      messageRoot: task.messageRoot,
      signature,
    }));
    const set = { duty, shareIndex: shareIndexOf(identity.self), signatures };
    this.#signed.emit({ tasks: signed.map(({ task }) => task), set, caller: "built-in signer" });
  }
}
