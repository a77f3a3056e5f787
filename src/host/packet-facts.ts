/**
 * What the host does with packets that are not its own: where they would leave, whether it forwards what comes back
 * there, and who drops what is forwarded.
 */
import { readFileSync } from 'node:fs';
import type { LauncherFacts } from '../launcher/protocol/decode-facts.ts';
import type { HostFacts } from '../plan/facts.ts';

export function packetFacts(probe: LauncherFacts): Pick<HostFacts, 'packets'> {
  if (probe.packetsErrno === undefined) return {};
  const routes = parseRoutes(read('/proc/net/route')).map((route) => ({
    ...route,
    forwards: read(`/proc/sys/net/ipv4/conf/${route.interface}/forwarding`).trim() === '1',
  }));
  const { packetsErrno: errno, droppingChains = [] } = probe;
  return { packets: { errno, routes, droppingChains } };
}

/** Routes of the main table as `/proc/net/route` shows them (proc_net(5)), the longest prefix first. */
export function parseRoutes(text: string): { to: string; interface: string }[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [name, destination, , flags, , , , mask] = line.trim().split(/\s+/);
      if (!name || destination === undefined || mask === undefined) return [];
      const isUp = (Number.parseInt(flags ?? '', 16) & RTF_UP) !== 0;
      const isRejected = (Number.parseInt(flags ?? '', 16) & RTF_REJECT) !== 0;
      if (!isUp || isRejected) return [];
      const bits = octets(mask).reduce((sum, octet) => sum + countOnes(octet), 0);
      return [{ to: `${octets(destination).join('.')}/${bits}`, interface: name, bits }];
    })
    .sort((a, b) => b.bits - a.bits)
    .map(({ bits: _, ...route }) => route);
}

/** linux/route.h */
const RTF_UP = 0x1;
const RTF_REJECT = 0x200;

/** Written as the machine has the number, which is least significant byte first on all that we run on. */
function octets(hex: string): number[] {
  return [6, 4, 2, 0].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}

function countOnes(octet: number): number {
  return octet.toString(2).replaceAll('0', '').length;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
