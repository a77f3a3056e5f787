/**
 * What a run came to, from bytes (protocol/PROTOCOL.md, "Result"); written in C by native/launcher.
 */

import { addFileRefusal, type RawFileRefusals } from './decode-file-refusal.ts';
import {
  decodeRefusal,
  decodeTraffic,
  type RawNetwork,
  type RawRefusal,
} from './decode-network.ts';
import { decodeViolation, type RawViolation } from './decode-violation.ts';
import { malformed, readAmount, readFields, readI32, readU32 } from './fields.ts';

export const resultCause = {
  ended: 0,
  wall: 1,
  cpu: 2,
  memory: 3,
  output: 4,
  killed: 5,
  violation: 6,
} as const;

export const limitBit = {
  wall: 1,
  cpu: 2,
  memory: 4,
  processes: 8,
  output: 16,
  fileSize: 32,
} as const;

/** Kept output of one stream, as the launcher sent it. */
export interface RawOutput {
  /** Views into the message that brought it. */
  readonly bytes: Buffer;
  readonly totalBytes: number;
  /** When cut: that many bytes of `bytes` are the head. */
  readonly headBytes: number;
}

/** Amounts; all that CLOSED and USAGE_REPLY carry. */
export interface RawUsage {
  limitsHit: number;
  cpuUserUs: number;
  cpuSystemUs: number;
  memoryPeakBytes: number;
  memoryPeakSource: 'cgroup' | 'rusage';
  processesPeak: number | undefined;
  leftBehind: number;
  /** By block devices; absent: nothing counts it. */
  readBytes?: number;
  writtenBytes?: number;
  /** Of the sandbox's init; of what runs alone. */
  pid?: number;
  /** Absent: no network of its own beside loopback. */
  network?: RawNetwork;
}

export interface RawResult extends RawUsage {
  /** As wait(2) encodes it. */
  status: number;
  cause: number;
  launchNs: number;
  runNs: number;
  teardownNs: number;
  stdout: RawOutput;
  stderr: RawOutput;
  warm: boolean;
  violations: readonly RawViolation[];
  /** Refused file accesses; absent: none, or they are not recorded. */
  files?: RawFileRefusals;
}

const nothing: Buffer = Buffer.alloc(0);
const none: readonly never[] = Object.freeze([]);

/** Also decodes CLOSED and USAGE_REPLY, which hold a part of the same record. */
export function decodeResult(body: Buffer): RawResult {
  const out = {
    status: 0,
    cause: 0,
    limitsHit: 0,
    cpuUserUs: 0,
    cpuSystemUs: 0,
    memoryPeakBytes: 0,
    memoryPeakSource: 'rusage' as 'cgroup' | 'rusage',
    processesPeak: undefined as number | undefined,
    launchNs: 0,
    runNs: 0,
    teardownNs: 0,
    warm: false,
    leftBehind: 0,
  };
  let stdout: Buffer = nothing;
  let stderr: Buffer = nothing;
  let violations: RawViolation[] | undefined;
  let files: RawFileRefusals | undefined;
  let readBytes: number | undefined;
  let writtenBytes: number | undefined;
  let pid: number | undefined;
  const refused: RawRefusal[] = [];
  let traffic: Omit<RawNetwork, 'refused'> | undefined;
  const totals = [-1, -1];
  const heads = [-1, -1];
  for (const field of readFields(body)) {
    switch (field.tag) {
      case 1:
        out.status = readI32(field);
        break;
      case 2:
        out.cause = readU32(field);
        break;
      case 3:
        out.limitsHit = readU32(field);
        break;
      case 4:
        out.cpuUserUs = readAmount(field);
        break;
      case 5:
        out.cpuSystemUs = readAmount(field);
        break;
      case 6:
        out.memoryPeakBytes = readAmount(field);
        break;
      case 7:
        out.memoryPeakSource = readU32(field) === 1 ? 'cgroup' : 'rusage';
        break;
      case 8:
        out.processesPeak = readAmount(field);
        break;
      case 9:
        out.launchNs = readAmount(field);
        break;
      case 10:
        out.runNs = readAmount(field);
        break;
      case 11:
        out.teardownNs = readAmount(field);
        break;
      case 12:
        stdout = field.body;
        break;
      case 13:
        stderr = field.body;
        break;
      case 14:
      case 15:
        totals[field.tag - 14] = readAmount(field);
        break;
      case 16:
      case 17:
        heads[field.tag - 16] = readAmount(field);
        break;
      case 18:
        out.warm = readU32(field) !== 0;
        break;
      case 19:
        break;
      case 20:
        out.leftBehind = readU32(field);
        break;
      case 23:
        violations ??= [];
        violations.push(decodeViolation(field.body));
        break;
      case 26:
      case 27:
      case 28:
      case 29:
        files ??= { logged: [], observed: [], dropped: 0 };
        addFileRefusal(files, field);
        break;
      case 24:
        readBytes = readAmount(field);
        break;
      case 25:
        writtenBytes = readAmount(field);
        break;
      case 21:
        refused.push(decodeRefusal(field.body));
        break;
      case 22:
        traffic = decodeTraffic(field.body);
        break;
      case 40:
        pid = readI32(field);
        break;
      default:
        throw malformed(`RESULT has an unknown field ${field.tag}`);
    }
  }
  return {
    ...out,
    violations: violations ?? none,
    ...(files === undefined ? {} : { files }),
    ...(traffic === undefined ? {} : { network: { ...traffic, refused } }),
    ...(readBytes === undefined ? {} : { readBytes }),
    ...(writtenBytes === undefined ? {} : { writtenBytes }),
    ...(pid === undefined ? {} : { pid }),
    stdout: output(stdout, totals[0], heads[0]),
    stderr: output(stderr, totals[1], heads[1]),
  };
}

function output(bytes: Buffer, total = -1, head = -1): RawOutput {
  return {
    bytes,
    totalBytes: total < 0 ? bytes.length : total,
    headBytes: head < 0 || head > bytes.length ? bytes.length : head,
  };
}
