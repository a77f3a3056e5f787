/**
 * Quantities as people write them: bytes (`512MiB`), durations (`30s`), cores (`1.5`).
 * Every parser refuses what is zero, negative, fractional below one unit, or at least 2^53.
 */
import { CaissonError } from './error.ts';

/** The largest quantity: above it a number no longer holds every integer. */
export const MAX_QUANTITY = Number.MAX_SAFE_INTEGER;

const BYTE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 2 ** 10,
  kib: 2 ** 10,
  kb: 1e3,
  m: 2 ** 20,
  mib: 2 ** 20,
  mb: 1e6,
  g: 2 ** 30,
  gib: 2 ** 30,
  gb: 1e9,
  t: 2 ** 40,
  tib: 2 ** 40,
  tb: 1e12,
};

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1e3,
  sec: 1e3,
  m: 60e3,
  min: 60e3,
  h: 3600e3,
  d: 86400e3,
};

/**
 * Bytes from `512MiB`, `1.5GB`, `64k` or a plain number of bytes.
 * `KB`, `MB`, `GB`, `TB` are powers of 1000 (IEC 80000-13); `KiB` … and a bare `K`, `M`, `G`, `T` of 1024.
 *
 * @throws CaissonError `REQUEST_INVALID`
 * @example parseBytes('512MiB') // 536870912
 */
export function parseBytes(value: string | number): number {
  if (typeof value === 'number') return checkQuantity(value, 'bytes', String(value));
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(value.trim());
  const factor = match ? BYTE_UNITS[(match[2] ?? '').toLowerCase()] : undefined;
  if (
    !match ||
    factor === undefined ||
    !Object.hasOwn(BYTE_UNITS, (match[2] ?? '').toLowerCase())
  ) {
    throw invalid(
      `${quote(value)} is not a size`,
      'write a size such as 512MiB, 2GB or 65536 (bytes)',
    );
  }
  return checkQuantity(scale(match[1] ?? '', factor), 'bytes', value);
}

/** Bytes of a core dump: as {@link parseBytes}, but 0 is allowed and switches core dumps off (core(5)). */
export function parseCoreBytes(value: string | number): number {
  return value === 0 || value === '0' ? 0 : parseBytes(value);
}

/** Bytes per second from whatever {@link parseBytes} takes, with or without `/s`. */
export function parseByteRate(value: string | number): number {
  return parseBytes(typeof value === 'string' ? value.trim().replace(/\/s$/, '') : value);
}

/**
 * Milliseconds from `500ms`, `30s`, `5m`, `1h30m`, `1.5h` or a plain number of seconds.
 *
 * @throws CaissonError `REQUEST_INVALID`
 * @example parseDuration('1m30s') // 90000
 */
export function parseDuration(value: string | number): number {
  const text = typeof value === 'number' ? String(value) : value.trim();
  if (typeof value === 'number' || /^\d+(\.\d+)?$/.test(text)) {
    return checkQuantity(Number(text) * 1e3, 'milliseconds', text);
  }
  const pieces = [...text.matchAll(/(\d+(?:\.\d+)?)\s*(ms|sec|s|min|m|h|d)\s*/gy)];
  const used = pieces.reduce((sum, piece) => sum + piece[0].length, 0);
  if (pieces.length === 0 || used !== text.length) {
    throw invalid(
      `${quote(text)} is not a duration`,
      'write a duration such as 500ms, 30s, 5m, 1h30m or 30 (seconds)',
    );
  }
  const sum = pieces.reduce((ms, [, number, unit]) => {
    return ms + scale(number ?? '', DURATION_UNITS[unit ?? ''] ?? Number.NaN);
  }, 0);
  return checkQuantity(sum, 'milliseconds', text);
}

/**
 * Thousandths of a core from a number of cores: `0.5`, `2`.
 *
 * @throws CaissonError `REQUEST_INVALID`; the least is 0.01, since the kernel's least quota is 1 ms in 100 ms
 * (Documentation/admin-guide/cgroup-v2.rst, cpu.max)
 */
export function parseCores(value: string | number): number {
  const text = String(value).trim();
  if (!/^\d+(\.\d+)?$/.test(text)) {
    throw invalid(`${quote(text)} is not a number of cores`, 'write a number such as 0.5 or 2');
  }
  const millicores = Math.round(Number(text) * 1e3);
  if (millicores < 10 || millicores > 4096e3) {
    throw invalid(`${quote(text)} cores is out of range`, 'write a number from 0.01 to 4096');
  }
  return millicores;
}

/**
 * A positive whole number, such as a count of processes.
 *
 * @throws CaissonError `REQUEST_INVALID`
 */
export function parseCount(value: string | number): number {
  const text = String(value).trim();
  if (typeof value === 'string' && !/^\d+$/.test(text)) {
    throw invalid(`${quote(text)} is not a whole number`, 'write a whole number from 1');
  }
  return checkQuantity(Number(text), 'units', text);
}

/**
 * A share of the CPU from 1 to 10000, the range of cgroup v2's cpu.weight.
 *
 * @throws CaissonError `REQUEST_INVALID`
 */
export function parseWeight(value: string | number): number {
  const weight = parseCount(value);
  if (weight > 10_000) throw invalid(`${weight} is out of range`, 'write a number from 1 to 10000');
  return weight;
}

/** `512MiB`, `1.5GiB`, `1000B`: exact where it can be said in a few digits, else in bytes. */
export function formatBytes(bytes: number): string {
  for (const [unit, factor] of [
    ['TiB', 2 ** 40],
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const) {
    if (bytes < factor) continue;
    // Remainders are exact, quotients of large numbers are not.
    if (bytes % factor === 0) return `${bytes / factor}${unit}`;
    const hundredfold = bytes * 100;
    if (hundredfold <= MAX_QUANTITY && hundredfold % factor === 0) {
      return `${hundredfold / factor / 100}${unit}`;
    }
  }
  return `${bytes}B`;
}

/** `10MiB/s`. */
export function formatByteRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** `30s`, `1h30m`, `500ms`; exact. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  let rest = ms;
  let text = '';
  for (const [unit, factor] of [
    ['h', 3600e3],
    ['m', 60e3],
    ['s', 1e3],
    ['ms', 1],
  ] as const) {
    const count = Math.floor(rest / factor);
    rest -= count * factor;
    if (count > 0) text += `${count}${unit}`;
  }
  return text;
}

/** Rounds what a decimal fraction left behind, but only that: `1.1KiB` stays fractional and is refused. */
function scale(number: string, factor: number): number {
  const product = Number(number) * factor;
  return Math.abs(product - Math.round(product)) < 1e-6 ? Math.round(product) : product;
}

function checkQuantity(value: number, unit: string, text: string): number {
  const rounded = unit === 'milliseconds' ? Math.round(value) : value;
  if (Number.isNaN(rounded)) throw invalid(`${quote(text)} is not a number`);
  if (rounded <= 0) {
    throw invalid(
      `${quote(text)} is not more than zero`,
      'write a positive value (in a policy, null stands for no limit)',
    );
  }
  if (rounded > MAX_QUANTITY) {
    throw invalid(
      `${quote(text)} is too large`,
      `the largest value is 2^53 - 1 ${unit} (in a policy, null stands for no limit)`,
    );
  }
  if (!Number.isInteger(rounded)) throw invalid(`${quote(text)} is not a whole number of ${unit}`);
  return rounded;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

function invalid(message: string, hint?: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'core',
    message,
    ...(hint === undefined ? {} : { hint }),
  });
}
