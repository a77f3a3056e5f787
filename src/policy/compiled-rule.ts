/** One rule about destinations, read once so that each question of it is a comparison. */
import { type AddressRange, parseCidr } from './address.ts';
import { rangeCovers } from './canonical-rules.ts';
import { formatDestination } from './destination.ts';
import type { Destination } from './policy.ts';

/** An address as `parseAddress` reads it. */
export interface ParsedAddress {
  readonly family: 4 | 6;
  readonly bits: bigint;
}

export class CompiledRule {
  readonly protocol: Destination['protocol'];
  readonly ports: Destination['ports'];
  readonly http: Destination['http'];
  /** `network.allow: pypi.org:443` */
  readonly told: string;
  /** An address or a block; else a name or a pattern of names. */
  readonly isBlock: boolean;
  /** Every port of TCP. */
  readonly coversAllTcp: boolean;
  readonly #host: string;
  /** What names below it end with, where it is `*.x`. */
  readonly #suffix: string | undefined;
  readonly #range: AddressRange | undefined;

  constructor(list: 'allow' | 'deny', rule: Destination) {
    const { host, ports, protocol, http } = rule;
    this.protocol = protocol;
    this.ports = ports;
    this.http = http;
    this.told = `network.${list}: ${formatDestination(rule)}`;
    this.coversAllTcp =
      protocol === 'tcp' && ports.some(({ from, to }) => from === 1 && to === 65535);
    this.#host = host;
    this.#suffix = host.startsWith('*.') ? host.slice(1) : undefined;
    this.#range = parseCidr(host);
    this.isBlock = this.#range !== undefined;
  }

  coversPort(port: number, protocol: Destination['protocol']): boolean {
    return (
      this.protocol === protocol && this.ports.some(({ from, to }) => from <= port && port <= to)
    );
  }

  /** @param name In its one form (`hostName`). Whatever the port. */
  coversName(name: string): boolean {
    if (this.#suffix !== undefined) return name.endsWith(this.#suffix);
    return this.#host === '*' || this.#host === name;
  }

  /** Whatever the port. `*` covers addresses, too: what it denies, it denies by any way. */
  coversAddress({ family, bits }: ParsedAddress): boolean {
    if (this.#host === '*') return true;
    return this.#range !== undefined && rangeCovers(this.#range, { family, from: bits, to: bits });
  }
}
