/**
 * What a sandbox's network refused, as violations: told by its proxy, and counted by the packet filter before any proxy
 * saw it.
 */
import type { RawUsage } from '../backends/backend.ts';
import type { Violation } from '../core/outcome.ts';
import type { NetworkDecision } from '../network/decision-log.ts';

/** More different refusals of one run are not kept one by one. */
const VIOLATIONS_MAX = 256;

/** Folded by target and reason. */
export class Refusals {
  readonly #byTarget = new Map<string, Violation & { count: number }>();
  #beyond = 0;

  add({ target, rule, reason, count, details }: NetworkDecision): void {
    const key = `${target}\n${reason}`;
    const known = this.#byTarget.get(key);
    if (known !== undefined) known.count += count;
    else if (this.#byTarget.size >= VIOLATIONS_MAX) this.#beyond += count;
    else this.#byTarget.set(key, { kind: 'network', target, rule, reason, count, details });
  }

  gone(reason: string): void {
    const rule = 'network';
    this.#byTarget.set('', { kind: 'network', rule, reason, count: 1, details: {} });
  }

  take(): Violation[] {
    const taken: Violation[] = [...this.#byTarget.values()].map(once);
    if (this.#beyond > 0) taken.push(further(this.#beyond));
    this.#byTarget.clear();
    this.#beyond = 0;
    return taken;
  }
}

/** What the packet filter refused before any proxy saw it. */
export function packetViolations(raw: RawUsage | undefined): Violation[] {
  return (raw?.network?.refused ?? []).map(({ protocol, address, port, packets }) => {
    const host = address.includes(':') ? `[${address}]` : address;
    const where = port === 0 ? host : `${host}:${port}`;
    return once({
      kind: 'network',
      target: `${where}/${protocol}`,
      rule: 'network.filtered',
      reason: reasonOf(protocol, port),
      count: packets,
      details: { kind: 'packet', address, port, protocol },
    });
  });
}

function reasonOf(protocol: string | number, port: number): string {
  if (protocol === 'udp' && port === 53) {
    return 'names are asked of the resolver at 127.0.0.1 alone: take the name server of /etc/resolv.conf';
  }
  if (protocol === 'udp' && port === 443) {
    return 'QUIC is refused: use HTTP over TCP, or name it under allow with :443/udp';
  }
  if (protocol === 'tcp') return 'nobody listens for the sandbox any more: its proxy is gone';
  return `${protocol === 'udp' ? 'UDP' : protocol === 'icmp' ? 'ICMP' : `IP protocol ${protocol}`} does not leave a filtered network: use TCP to what the policy allows${protocol === 'udp' ? ', or name host and port under allow with /udp' : `, or name the block under allow with /${protocol}`}`;
}

function once(violation: Violation & { count: number }): Violation {
  const { count, ...rest } = violation;
  return count === 1 ? rest : violation;
}

function further(count: number): Violation {
  const reason = 'further refusals, more different ones than are kept apart';
  return { kind: 'network', rule: 'network', reason, count, details: {} };
}
