/**
 * What kernel and processor can do against side channels: the probe's answers, and what /sys and /proc tell.
 */
import { readFileSync } from 'node:fs';
import type { LauncherFacts } from '../launcher/protocol/decode-facts.ts';
import type { HostFacts } from '../plan/facts.ts';

/** Nothing from a launcher that did not ask. */
export function sideChannelFacts(probe: LauncherFacts): Pick<HostFacts, 'sideChannels'> {
  const { storeBypass, indirectBranch, l1dFlush, coreSchedulingErrno, tscErrno } = probe;
  if (storeBypass === undefined || indirectBranch === undefined || l1dFlush === undefined)
    return {};
  if (coreSchedulingErrno === undefined || tscErrno === undefined) return {};
  const smt = textOf('/sys/devices/system/cpu/smt/active')?.trim();
  return {
    sideChannels: {
      storeBypass,
      indirectBranch,
      l1dFlush,
      coreScheduling: coreSchedulingErrno,
      tsc: tscErrno,
      ...(smt === '0' || smt === '1' ? { smt: smt === '1' } : {}),
      virtual: isVirtual(),
    },
  };
}

/** x86 tells by a flag of the processor; elsewhere nothing does for certain, and a strange neighbour is assumed. */
function isVirtual(): boolean {
  const info = textOf('/proc/cpuinfo');
  const flags = info?.split('\n').find((line) => line.startsWith('flags'));
  return flags === undefined || /\bhypervisor\b/.test(flags);
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
