import type { SigningTask } from "../domain/data.ts";
import type { LockIndex } from "../domain/keys.ts";
import { assert } from "../util/assert.ts";

/** Looks a validator's task up; asking for one that is not there is a bug. */
export function tasksByValidator(
  tasks: readonly SigningTask[],
): (validator: LockIndex) => SigningTask {
  const byValidator = new Map(tasks.map((task) => [task.validator, task]));
  return (validator) => {
    const task = byValidator.get(validator);
    assert(task !== undefined, `validator ${validator} has no task in this duty`);
    return task;
  };
}
