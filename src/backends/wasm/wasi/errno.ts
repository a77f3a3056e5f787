/**
 * The error numbers of wasi_snapshot_preview1 that this host answers with; a call that succeeded answers 0.
 * Source: WebAssembly/WASI, preview1/witx/typenames.witx, `$errno`.
 */
export const errno = {
  success: 0,
  again: 6,
  badf: 8,
  busy: 10,
  exist: 20,
  fault: 21,
  fbig: 22,
  ilseq: 25,
  inval: 28,
  io: 29,
  isdir: 31,
  loop: 32,
  mfile: 33,
  nametoolong: 37,
  noent: 44,
  nospc: 51,
  notdir: 54,
  notempty: 55,
  notsock: 57,
  notsup: 58,
  overflow: 61,
  perm: 63,
  rofs: 69,
  spipe: 70,
  xdev: 75,
  notcapable: 76,
} as const;

export type Errno = (typeof errno)[keyof typeof errno];

/** Whether a step answered with an error number in place of what it was asked for. */
export function failed(answer: unknown): answer is Errno {
  return typeof answer === 'number';
}
