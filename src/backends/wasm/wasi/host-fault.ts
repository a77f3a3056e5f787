/** What a source, a sink or a lazy file threw. The guest gets EIO; the host keeps the cause. */
export class HostFault {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

/** Calls what a caller handed in. */
export function callOut<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new HostFault(cause);
  }
}
