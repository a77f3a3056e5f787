/** Where a name server is: `1.1.1.1`, `1.1.1.1:53`, `2606:4700::1111`, `[::1]:5353`, `fe80::1%eth0`. */
import { isIP } from 'node:net';
import { CaissonError } from '../core/error.ts';

export interface NameServerAddress {
  /** With its zone where it has one. */
  readonly address: string;
  readonly port: number;
}

const PORT = 53;

/** @throws CaissonError `REQUEST_INVALID` */
export function parseNameServer(text: string): NameServerAddress {
  const [, bracketed, plain = text, port] =
    /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const address = bracketed ?? plain;
  const at = port === undefined ? PORT : Number(port);
  if (isIP(address) === 0 || at < 1 || at > 65535) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'network',
      message: `${JSON.stringify(text.slice(0, 80))} is no address of a name server`,
      hint: 'write an address, or address:port, such as 192.0.2.53:53 or [2001:db8::53]:53',
    });
  }
  return { address, port: at };
}

export function formatNameServer({ address, port }: NameServerAddress): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}
