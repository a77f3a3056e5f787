/** What whoever has a network is told when its proxy process is no more, or cannot do what it was asked. */
import { CaissonError } from '../core/error.ts';
import type { FromProxy } from './proxy-messages.ts';

export function networkGone(how: string, cause?: unknown): CaissonError {
  return new CaissonError('NETWORK_GONE', {
    layer: 'network',
    message: `the proxy process of the network ended: ${how}`,
    hint: 'its sandboxes have no network any more; make a new one',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The process lives, and serves the others. */
export function networkShut(fault: string): CaissonError {
  return new CaissonError('NETWORK_GONE', {
    layer: 'network',
    message: `a fault of the proxy shut the network of this sandbox: ${fault}`,
    hint: 'it has no network any more; make a new one, and report the fault',
  });
}

/** The process lives, and so does the sandbox's network. */
export function portShut(fault: string): CaissonError {
  return new CaissonError('NETWORK_GONE', {
    layer: 'network',
    message: `a fault of the proxy shut the port: ${fault}`,
    hint: 'publish it again, and report the fault',
  });
}

export function networkFailed({
  message,
  invalid,
}: Extract<FromProxy, { type: 'failed' }>): CaissonError {
  return new CaissonError(invalid === undefined ? 'NETWORK_FAILED' : 'REQUEST_INVALID', {
    layer: 'network',
    message,
    ...(invalid?.hint === undefined ? {} : { hint: invalid.hint }),
  });
}
