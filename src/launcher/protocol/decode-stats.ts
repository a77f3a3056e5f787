/**
 * What every sandbox uses now, from bytes (protocol/PROTOCOL.md, "Stats"); written in C by native/launcher/stats.c.
 */
import { decodeTraffic, type RawNetwork } from './decode-network.ts';
import { malformed, readAmount, readFields, readU32 } from './fields.ts';

export interface RawStats {
  /** CLOCK_MONOTONIC. */
  readonly atNs: number;
  /** Sandboxes that wait for a job, or are being made for one. */
  readonly waiting: number;
  readonly sandboxes: readonly RawSandboxStats[];
}

export interface RawSandboxStats {
  /** Of the sandbox where it stays, else of its exec. */
  id: number;
  source: 'cgroup' | 'proc';
  /** User and system, since the sandbox was made. */
  cpuUs: number;
  memoryBytes?: number;
  memoryPeakBytes?: number;
  /** With their threads, without the launcher's own. */
  processes?: number;
  readBytes?: number;
  writtenBytes?: number;
  network?: Omit<RawNetwork, 'refused'>;
  frozen: boolean;
}

export function decodeStats(body: Buffer): RawStats {
  const out = { atNs: 0, waiting: 0 };
  const sandboxes: RawSandboxStats[] = [];
  for (const field of readFields(body)) {
    if (field.tag === 1) out.atNs = readAmount(field);
    else if (field.tag === 2) out.waiting = readU32(field);
    else if (field.tag === 3) sandboxes.push(decodeSandbox(field.body));
    else throw malformed(`STATS_REPLY has an unknown field ${field.tag}`);
  }
  return { ...out, sandboxes };
}

function decodeSandbox(body: Buffer): RawSandboxStats {
  const out: RawSandboxStats = { id: 0, source: 'proc', cpuUs: 0, frozen: false };
  for (const field of readFields(body)) {
    switch (field.tag) {
      case 1:
        out.id = readU32(field);
        break;
      case 2:
        out.source = readU32(field) === 1 ? 'cgroup' : 'proc';
        break;
      case 3:
        out.cpuUs = readAmount(field);
        break;
      case 4:
        out.memoryBytes = readAmount(field);
        break;
      case 5:
        out.memoryPeakBytes = readAmount(field);
        break;
      case 6:
        out.processes = readAmount(field);
        break;
      case 7:
        out.readBytes = readAmount(field);
        break;
      case 8:
        out.writtenBytes = readAmount(field);
        break;
      case 9:
        out.network = decodeTraffic(field.body);
        break;
      case 10:
        out.frozen = readU32(field) !== 0;
        break;
      default:
        throw malformed(`a sandbox in STATS_REPLY has an unknown field ${field.tag}`);
    }
  }
  return out;
}
