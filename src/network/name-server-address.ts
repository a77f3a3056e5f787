/** Where a name server is: `1.1.1.1`, `1.1.1.1:53`, `2606:4700::1111`, `[::1]:5353`, `fe80::1%eth0`. */
import { isIP } from 'node:net';
import { CaissonError, isCaissonError } from '../core/error.ts';

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

/**
 * Of an option, before anybody asks for a name.
 *
 * @param what as a message calls it @throws CaissonError `REQUEST_INVALID`
 */
export function checkNameServers(servers: readonly string[], what: string): void {
  if (servers.length === 0) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'network',
      message: `${what} names none: no name would be found`,
      hint: 'leave it out for those of the host, or name one, such as 192.0.2.53',
    });
  }
  for (const server of servers) {
    try {
      parseNameServer(server);
    } catch (cause) {
      if (!isCaissonError(cause)) throw cause;
      const { message, hint } = cause;
      throw new CaissonError('REQUEST_INVALID', {
        layer: 'network',
        message: `${what}: ${message}`,
        ...(hint === undefined ? {} : { hint }),
        details: { option: 'nameServers' },
      });
    }
  }
}

export function formatNameServer({ address, port }: NameServerAddress): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}
