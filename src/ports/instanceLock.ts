/**
 * The claim of one process on this node's data directory. Two processes on one directory would
 * each sign with the same key shares, so nothing is signed without it.
 */
export interface InstanceLock {
  /**
   * Whether this process's token stands in the lock right now: re-read from its source on every
   * call, never cached. False also when the source cannot be read. Synchronous, so that nothing
   * comes between the answer and what it permits.
   */
  isHeld(): boolean;
  /**
   * Whether less than the stale limit has passed, by the monotonic and by the wall clock, since the
   * last heartbeat that found this process's token in place: nobody can have taken it for dead. No
   * file is read, so that a sender may ask right before each frame. Both clocks, for a machine that
   * was suspended has stopped one of them, and an operator may step the other.
   */
  isFresh(): boolean;
}
