import { type Errno, errno } from '../../wasi/errno.ts';
import { HostFault } from '../../wasi/host-fault.ts';

/** An error that an interface declares. jco's glue hands `payload` to the guest; whatever else is thrown ends it. */
export class Refused {
  readonly payload: unknown;

  constructor(payload: unknown) {
    this.payload = payload;
  }
}

/** Names of wasi:filesystem/types' `error-code`, by the numbers of preview 1. Source: WASI 0.2, filesystem/wit/types.wit. */
const codes: Readonly<Record<Exclude<Errno, 0>, string>> = {
  [errno.again]: 'would-block',
  [errno.badf]: 'bad-descriptor',
  [errno.busy]: 'busy',
  [errno.exist]: 'exist',
  [errno.fault]: 'invalid',
  [errno.fbig]: 'file-too-large',
  [errno.ilseq]: 'illegal-byte-sequence',
  [errno.inval]: 'invalid',
  [errno.io]: 'io',
  [errno.isdir]: 'is-directory',
  [errno.loop]: 'loop',
  [errno.mfile]: 'insufficient-memory',
  [errno.nametoolong]: 'name-too-long',
  [errno.noent]: 'no-entry',
  [errno.nospc]: 'insufficient-space',
  [errno.notdir]: 'not-directory',
  [errno.notempty]: 'not-empty',
  [errno.notsock]: 'bad-descriptor',
  [errno.notsup]: 'unsupported',
  [errno.overflow]: 'overflow',
  [errno.perm]: 'not-permitted',
  [errno.rofs]: 'read-only',
  [errno.spipe]: 'invalid-seek',
  [errno.xdev]: 'cross-device',
  [errno.notcapable]: 'not-permitted',
};

export function codeOf(error: Exclude<Errno, 0>): string {
  return codes[error];
}

/** @throws Refused for every errno but 0 */
export function check(error: Errno): void {
  if (error !== errno.success) throw new Refused(codeOf(error));
}

/** The answer of a step that is no error. @throws Refused */
export function checked<T>(answer: T | Errno): T {
  if (typeof answer !== 'number') return answer;
  check(answer as Errno);
  throw new TypeError('a step answered with nothing');
}

/** What a caller's own function threw is an I/O error to the guest. */
export function withFaults<T>(work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw thrown instanceof HostFault ? new Refused('io') : thrown;
  }
}
