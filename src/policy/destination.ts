/**
 * One destination as a person writes it: `pypi.org`, `*.example.org:80,443`, `10.0.0.0/8:*`,
 * `[fd00::]/8:53/udp`. Without ports it is port 443; `:*` is every port; without a protocol it is TCP. A protocol
 * without ports stands behind a block: `192.0.2.0/24/icmp`, `10.0.0.0/8/47`, `10.0.0.0/8/raw`.
 */
import { CaissonError } from '../core/error.ts';
import { blockAround, formatCidr, parseCidr } from './address.ts';
import type { Destination } from './policy.ts';
import { isPacketProtocol, type PacketProtocol, packetProtocol } from './protocol.ts';

type Ports = Destination['ports'];

export const ALL_PORTS: Ports = [{ from: 1, to: 65535 }];

/** @throws CaissonError `POLICY_INVALID` */
export function parseDestination(text: string): Destination {
  const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
  if (text.includes('\0')) throw invalid(`${shown} holds a NUL byte`);
  if (text.includes('://')) {
    throw invalid(`${shown} is a URL`, 'write host and port alone, such as example.org:443');
  }
  const packets = /^(.*)\/([a-z][a-z0-9]*)$/.exec(text) ?? /^(.*\/\d+)\/(\d+)$/.exec(text);
  if (packets !== null && packets[2] !== 'tcp' && packets[2] !== 'udp') {
    return parsePacketRule(packets[1] as string, packets[2] as string, shown);
  }
  const protocol = /\/(tcp|udp)$/.exec(text)?.[1] as 'tcp' | 'udp' | undefined;
  const rest = protocol ? text.slice(0, -4) : text;
  const { host, ports } = splitPorts(rest);
  return {
    host: parseHost(host, shown),
    ports: ports === undefined ? [{ from: 443, to: 443 }] : parsePorts(ports, shown),
    protocol: protocol ?? 'tcp',
  };
}

/** The shortest text that {@link parseDestination} reads as this destination. */
export function formatDestination({ host, ports, protocol }: Destination): string {
  const is443 = ports.length === 1 && ports[0]?.from === 443 && ports[0].to === 443;
  const [address = '', length = ''] = host.split('/');
  const shownHost = address.includes(':') ? `[${address}]/${length}` : host;
  if (isPacketProtocol(protocol)) return `${shownHost}/${protocol}`;
  return `${shownHost}${is443 ? '' : `:${formatPorts(ports)}`}${protocol === 'udp' ? '/udp' : ''}`;
}

/** Packets have no name that a proxy could read, and no ports. */
function parsePacketRule(text: string, name: string, shown: string): Destination {
  const protocol = packetProtocol(name);
  if (protocol === undefined) {
    throw invalid(
      `${JSON.stringify(name.slice(0, 40))} in ${shown} is not a protocol`,
      'write tcp, udp, icmp, icmpv6, sctp, gre, esp, raw (all but TCP and UDP), or after a block its number (/tcp and /udp by name)',
    );
  }
  const { host: where, ports } = splitPorts(text);
  if (ports !== undefined) throw invalid(`${shown} has ports, which ${name} has not`);
  const block = parseCidr(where);
  const host = parseHost(where, shown);
  if (block === undefined) {
    throw invalid(
      `${shown}: packets of ${name} carry no name`,
      'write an address or a block, such as 192.0.2.0/24/icmp',
    );
  }
  requireFamily(protocol, block.family, shown);
  return { host, ports: ALL_PORTS, protocol };
}

function requireFamily(protocol: PacketProtocol, family: 4 | 6, shown: string): void {
  if (protocol !== (family === 4 ? 'icmpv6' : 'icmp')) return;
  throw invalid(
    `${shown}: ${protocol} is not of IPv${family}`,
    `write /${family === 4 ? 'icmp' : 'icmpv6'}`,
  );
}

export function formatPorts(ports: Ports): string {
  if (ports.length === 1 && ports[0]?.from === 1 && ports[0].to === 65535) return '*';
  return ports.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

/** Sorted, with what overlaps or touches merged. */
export function mergePorts(ports: Ports): Ports {
  const merged: { from: number; to: number }[] = [];
  for (const range of [...ports].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last && range.from <= last.to + 1) last.to = Math.max(last.to, range.to);
    else merged.push({ ...range });
  }
  return merged;
}

function splitPorts(text: string): { host: string; ports?: string } {
  const bracketed = /^\[([^\]]*)\](\/\d+)?(?::(.*))?$/.exec(text);
  if (bracketed) {
    const host = `${bracketed[1]}${bracketed[2] ?? ''}`;
    return bracketed[3] === undefined ? { host } : { host, ports: bracketed[3] };
  }
  // More than one colon and no brackets: an IPv6 address or block without ports.
  if (text.split(':').length > 2) return { host: text };
  const colon = text.indexOf(':');
  return colon < 0 ? { host: text } : { host: text.slice(0, colon), ports: text.slice(colon + 1) };
}

function parsePorts(text: string, shown: string): Ports {
  if (text === '*') return ALL_PORTS;
  const ranges = text.split(',').map((piece) => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(piece);
    const from = Number(match?.[1]);
    const to = Number(match?.[2] ?? match?.[1]);
    if (!match || from < 1 || to > 65535 || from > to) {
      throw invalid(
        `${JSON.stringify(piece.slice(0, 40))} in ${shown} is not a port`,
        'write ports from 1 to 65535, such as :443, :80,443, :8000-8099 or :*',
      );
    }
    return { from, to };
  });
  return mergePorts(ranges);
}

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

function parseHost(text: string, shown: string): string {
  if (text === '*') return text;
  const block = parseCidr(text);
  if (block) return formatCidr(block);
  const around = blockAround(text);
  if (around)
    throw invalid(`${shown} has bits set outside of its block`, `did you mean ${around}?`);
  // One written form for each name: lower case, no dot at the end (RFC 4343, RFC 1034 section 3.1).
  // toLowerCase makes the Kelvin sign a k: what is beyond ASCII stays as it is, and is refused below.
  const name = (/[^!-~]/.test(text) ? text : text.toLowerCase()).replace(/\.$/, '');
  const labels = (name.startsWith('*.') ? name.slice(2) : name).split('.');
  if (name.length > 253 || !labels.every((label) => LABEL.test(label))) {
    throw invalid(
      `${shown} is not a host`,
      'write a name, *.name, an address or a block; names beyond ASCII in their xn-- form',
    );
  }
  if (/^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '')) {
    throw invalid(
      `${shown} is an address in an odd notation`,
      'write four decimal numbers, such as 10.0.0.1',
    );
  }
  return name;
}

function invalid(message: string, hint?: string): CaissonError {
  return new CaissonError('POLICY_INVALID', {
    layer: 'policy',
    message,
    ...(hint === undefined ? {} : { hint }),
  });
}
