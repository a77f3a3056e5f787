/** One range of bytes, as `Range` names it (RFC 9110, 14.1.2). Several, and what is none, are answered with everything. */
export interface Part {
  readonly offset: number;
  readonly length: number;
}

/** @returns `none`: there are no such bytes; undefined: all of it */
export function partOf(header: string | undefined, size: number): Part | 'none' | undefined {
  const found = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '');
  if (found === null) return undefined;
  const [, first = '', last = ''] = found;
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'none' : { offset: size - length, length };
  }
  const offset = Number(first);
  if (last !== '' && Number(last) < offset) return undefined;
  if (offset >= size) return 'none';
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  return { offset, length: end - offset + 1 };
}
