/**
 * What a trace writes down (native/launcher/trace.h): lengths and fields, read as they come.
 */
import { CaissonError } from '../core/error.ts';

/** What was at a path before the call: nothing, a file, a directory, a link (where it is not followed), or else. */
export type TracedState = '-' | 'f' | 'd' | 'l' | 's';

const pathOps = [
  'open',
  'exec',
  'stat',
  'link-read',
  'unlink',
  'rmdir',
  'mkdir',
  'mknod',
  'rename',
  'link',
  'symlink',
  'attribute',
  'truncate',
  'chdir',
] as const;
export type PathOp = (typeof pathOps)[number];

const netOps = ['connect', 'bind', 'listen', 'send'] as const;
export type NetOp = (typeof netOps)[number];

export type TraceRecord =
  | {
      readonly kind: 'path';
      readonly op: PathOp;
      readonly state: TracedState;
      /** Of an open (open(2)); else 0. */
      readonly flags: number;
      /** Absolute; its links unresolved, `.` and `..` as the command wrote them. */
      readonly path: string;
      /** Of `rename` and `link`: the new name. */
      readonly to?: string;
    }
  | {
      readonly kind: 'net';
      readonly op: NetOp;
      /** SOCK_STREAM is 1, SOCK_DGRAM 2. */
      readonly type: number;
      readonly family: '4' | '6' | 'u';
      readonly port: number;
      /** For `u` a path, or `@name`. */
      readonly address: string;
    }
  /** The first 512 bytes that were sent to a port 53. */
  | { readonly kind: 'dns'; readonly query: Uint8Array }
  /** AUDIT_ARCH, number, and of some calls a detail. */
  | {
      readonly kind: 'call';
      readonly arch: number;
      readonly number: number;
      readonly detail: number;
    }
  | { readonly kind: 'failed'; readonly errnum: number }
  | ({ readonly kind: 'end' } & TraceEnd);

/** What a traced command came to. */
export interface TraceEnd {
  /** As waitpid(2) gives it. */
  readonly status: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Of the largest process. */
  readonly maxRssBytes: number;
  /** The largest sum over all processes that was seen; looked at every 50 ms and at forks. */
  readonly peakRssBytes: number;
  /** Processes and threads, likewise. */
  readonly peakTasks: number;
  readonly notifications: number;
  /** Processes that outlived the command and were killed. */
  readonly left: number;
}

const LENGTH_BYTES = 4;
/** native/launcher/trace_record.c writes none that is longer. */
const RECORD_MAX = 16_384;

/** Takes bytes in pieces of any size and gives whole records. */
export class TraceDecoder {
  #rest: Buffer = Buffer.alloc(0);

  /** @throws CaissonError `PROTOCOL_ERROR` */
  *push(bytes: Buffer): Generator<TraceRecord> {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    while (this.#rest.length - at >= LENGTH_BYTES) {
      const length = this.#rest.readUInt32LE(at);
      if (length === 0 || length > RECORD_MAX) throw garbled(`a record of ${length} bytes`);
      if (this.#rest.length - at - LENGTH_BYTES < length) break;
      at += LENGTH_BYTES;
      const text = this.#rest.toString('utf8', at, at + length - 1);
      at += length;
      yield decode(text.split('\0'));
    }
    this.#rest = this.#rest.subarray(at);
  }
}

function decode([name, ...fields]: readonly string[]): TraceRecord {
  const [a = '', b = '', c = '', d = '', e = ''] = fields;
  switch (name) {
    case 'path':
      return {
        kind: 'path',
        op: oneOf(pathOps, a),
        state: oneOf(['-', 'f', 'd', 'l', 's'], b),
        flags: number(c),
        path: absolute(d),
        ...(fields.length > 4 ? { to: absolute(e) } : {}),
      };
    case 'net':
      return {
        kind: 'net',
        op: oneOf(netOps, a),
        type: number(b),
        family: oneOf(['4', '6', 'u'], c),
        port: number(d),
        address: e,
      };
    case 'dns':
      return { kind: 'dns', query: Buffer.from(a, 'hex') };
    case 'call':
      return { kind: 'call', arch: number(a), number: number(b), detail: number(c) };
    case 'failed':
      return { kind: 'failed', errnum: number(a) };
    case 'end':
      return { kind: 'end', ...endOf(fields.map(number)) };
    default:
      throw garbled(`a record ${JSON.stringify(name)}`);
  }
}

function endOf(fields: readonly number[]): TraceEnd {
  const [status, wallMs, cpuMs, maxRssBytes, peakRssBytes, peakTasks, notifications, left] = fields;
  if (left === undefined) throw garbled('an end that is cut off');
  return {
    status: status as number,
    wallMs: wallMs as number,
    cpuMs: cpuMs as number,
    maxRssBytes: maxRssBytes as number,
    peakRssBytes: peakRssBytes as number,
    peakTasks: peakTasks as number,
    notifications: notifications as number,
    left,
  };
}

function oneOf<const T extends string>(known: readonly T[], text: string): T {
  const found = known.find((each) => each === text);
  if (found === undefined) throw garbled(`${JSON.stringify(text)}`);
  return found;
}

function number(text: string): number {
  const value = Number(text);
  if (text === '' || !Number.isSafeInteger(value)) throw garbled(`the number ${text}`);
  return value;
}

function absolute(path: string): string {
  if (!path.startsWith('/')) throw garbled(`the path ${JSON.stringify(path)}`);
  return path;
}

function garbled(what: string): CaissonError {
  return new CaissonError('PROTOCOL_ERROR', {
    layer: 'launcher',
    message: `the trace cannot be understood: ${what}`,
  });
}
