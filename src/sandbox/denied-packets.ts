/**
 * What a denial within the host's whole network refused, packet by packet: no proxy stands there to tell of it.
 */
import type { RawUsage } from '../backends/backend.ts';
import type { NetworkUsage, Violation } from '../core/outcome.ts';
import type { NetworkPolicy } from '../policy/policy.ts';

/** Whether the network of a policy is one that this file tells of. */
export function deniesPackets({ mode, deny }: NetworkPolicy): boolean {
  return mode === 'full' && deny.length > 0;
}

/** @param told What was told before of the same sandbox, by target: the launcher counts from its beginning. Added to. */
export function deniedPackets(raw: RawUsage, told = new Map<string, number>()): Violation[] {
  return (raw.network?.refused ?? []).flatMap(({ protocol, address, port, packets }) => {
    const target = `${port === 0 ? address : `${address}:${port}`}/${protocol}`;
    const count = packets - (told.get(target) ?? 0);
    told.set(target, packets);
    if (count <= 0) return [];
    return [
      {
        kind: 'network' as const,
        target,
        rule: 'network.deny',
        reason: `${target} is denied`,
        ...(count === 1 ? {} : { count }),
        details: { kind: 'packet', address, port, protocol },
      },
    ];
  });
}

/** Connections are not counted where nothing looks into them. */
export function packetUsage(raw: RawUsage): { network?: NetworkUsage } {
  if (raw.network === undefined) return {};
  const { sentBytes, receivedBytes, refusedPackets } = raw.network;
  return { network: { connections: 0, sentBytes, receivedBytes, refusedPackets } };
}
