/** The header block of a tar entry, and the records of an extended one (POSIX.1-2017, pax). */

export interface TarHeader {
  readonly path: string;
  /** One character; a NUL, as old archives have it, is `0`. */
  readonly type: string;
  readonly size: number;
  readonly link: string;
}

/** @returns undefined where its checksum is not that of its bytes, or a number is none */
export function tarHeader(block: Buffer): TarHeader | undefined {
  const said = octal(block, 148, 8);
  if (said === undefined || (said !== checksum(block, false) && said !== checksum(block, true))) {
    return undefined;
  }
  const size = number(block, 124, 12);
  if (size === undefined) return undefined;
  const type = block[156] === 0 ? '0' : String.fromCharCode(block[156] as number);
  const name = text(block, 0, 100);
  // GNU's own format, `ustar  `, keeps times where ustar keeps the front of long names.
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const front = isUstar ? text(block, 345, 155) : '';
  return {
    path: front === '' ? name : `${front}/${name}`,
    type,
    size,
    link: text(block, 157, 100),
  };
}

/** `LENGTH KEY=VALUE\n`, the length counting itself; undefined where it is not so. */
export function paxRecords(bytes: Buffer): Map<string, string> | undefined {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 ? '' : bytes.toString('latin1', at, Math.min(space, at + 10));
    const length = Number(digits);
    const end = at + length;
    if (!/^\d+$/.test(digits) || end > bytes.length || end <= space || bytes[end - 1] !== 0x0a) {
      // Padding with zeros is met in the wild, and says nothing.
      return bytes.subarray(at).every((byte) => byte === 0) ? records : undefined;
    }
    const record = bytes.toString('utf8', space + 1, end - 1);
    const equals = record.indexOf('=');
    if (equals < 1) return undefined;
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at = end;
  }
  return records;
}

/** The checksum's own field counts as spaces; some old programs added up signed bytes. */
function checksum(block: Buffer, isSigned: boolean): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < 512; at++) {
    if (at >= 148 && at < 156) continue;
    sum += isSigned ? block.readInt8(at) : (block[at] as number);
  }
  return sum;
}

function octal(block: Buffer, at: number, length: number): number | undefined {
  const digits = text(block, at, length).trim();
  if (!/^[0-7]*$/.test(digits)) return undefined;
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

/** Octal, or GNU's base 256 where the first bit is set. */
function number(block: Buffer, at: number, length: number): number | undefined {
  if (((block[at] as number) & 0x80) === 0) return octal(block, at, length);
  let value = BigInt((block[at] as number) & 0x7f);
  for (let next = at + 1; next < at + length; next++) {
    value = (value << 8n) | BigInt(block[next] as number);
  }
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(value);
}

function text(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return (end < 0 ? field : field.subarray(0, end)).toString('utf8');
}
