/** What is told of datagrams, and the refusals that no rule makes. */
import type { RemoteInfo } from 'node:dgram';
import type { DatagramDecision } from './decide-datagram.ts';
import type { NetworkDecision } from './decision-log.ts';

export function datagramReport(
  { address, port }: { readonly address: string; readonly port: number },
  { allowed, rule, reason, by, name }: DatagramDecision,
): Omit<NetworkDecision, 'count'> {
  return {
    target: `${shown(name ?? address, port)}/udp`,
    allowed,
    rule,
    reason,
    details: {
      kind: 'connection',
      address,
      port,
      protocol: 'udp',
      ...(name === undefined ? {} : { name }),
      by,
    },
  };
}

/** Whoever binds to nothing sends from where it sends to; anything else claims to be somebody. */
export function falseSource({ address, port }: RemoteInfo): DatagramDecision {
  const reason = `a datagram that claims to come from ${shown(address, port)}: send from a socket that is bound to no address`;
  return { allowed: false, rule: 'network.filtered', reason, by: 'address' };
}

export function noSocket(why: string): DatagramDecision {
  const reason = `no socket could be made for its datagrams: ${why}`;
  return { allowed: false, rule: 'network.allow', reason, by: 'address' };
}

export function tooManyPorts(most: number): DatagramDecision {
  const reason = `${most} ports of the guest send datagrams already: let some be quiet`;
  return { allowed: false, rule: 'network.connections', reason, by: 'address' };
}

function shown(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
