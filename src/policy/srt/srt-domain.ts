/**
 * A domain pattern of srt's as a destination of a policy.
 */
import { parseAddress } from '../address.ts';
import { carriedAddresses } from '../special-address.ts';

export type Told<T> = { readonly value: T } | { readonly fault: string; readonly hint?: string };

export interface SrtDomain {
  /** Lower case; an address without brackets. */
  readonly host: string;
  /** `*`, or a number. */
  readonly port: string;
}

const MISTAKEN =
  'write example.com, *.example.com, 192.0.2.1 or [2001:db8::1], and :port behind it where one is meant';

/** `*` alone is for denied ones. */
export function parseSrtDomain(text: string, mayBeAll: boolean): Told<SrtDomain> {
  const shown = JSON.stringify(text.slice(0, 80));
  const bracketed = /^\[([0-9a-fA-F:.]+)\](?::(\d{1,5}))?$/.exec(text);
  const plain = /^([^:[\]/\s]+)(?::(\d{1,5}))?$/.exec(text);
  const [, name, number] = bracketed ?? plain ?? [];
  if (name === undefined) return { fault: `${shown} is not a domain of srt's`, hint: MISTAKEN };
  if (number !== undefined && !(Number(number) >= 1 && Number(number) <= 65_535)) {
    return { fault: `${shown} has a port that is none`, hint: 'write one from 1 to 65535' };
  }
  const host = name.toLowerCase();
  const port = number === undefined ? '*' : String(Number(number));
  if (host === '*' && mayBeAll) return { value: { host, port } };
  if (bracketed && parseAddress(host) === undefined) {
    return { fault: `${shown} holds no IPv6 address`, hint: MISTAKEN };
  }
  if (bracketed || host === 'localhost') return { value: { host, port } };
  const rest = host.startsWith('*.') ? host.slice(2) : host;
  if (rest.includes('*')) {
    return { fault: `${shown}: * stands for what is in front of a name alone`, hint: MISTAKEN };
  }
  // srt refuses `*.com` for being too broad, and a bare word for being no domain.
  if (!rest.includes('.') || rest.startsWith('.') || rest.endsWith('.')) {
    return { fault: `${shown} is not a domain of srt's: it has no dot inside`, hint: MISTAKEN };
  }
  return { value: { host, port } };
}

/** Whether it means the machine that asks: in srt the host, here the sandbox itself. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  const address = parseAddress(host);
  if (address === undefined) return false;
  if (address.family === 4) return address.bits >> 24n === 127n || address.bits === 0n;
  return address.bits < 2n || carriedAddresses(host).some(isLoopback);
}
