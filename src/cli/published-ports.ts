/**
 * `--publish`: ports of the guest on loopback ports of this machine.
 */
import { CaissonError } from '../core/error.ts';
import type { NetworkOptions } from '../sandbox/run-network.ts';

/** `[HOST:]PORT:GUESTPORT`, or `GUESTPORT` alone for a port that is free. @throws REQUEST_INVALID */
export function publishedPorts(
  words: readonly string[] | undefined,
): Pick<NetworkOptions, 'publish' | 'onPublished'> {
  if (words === undefined || words.length === 0) return {};
  return {
    publish: Object.fromEntries(words.map(parse)),
    onPublished: (ports) => {
      for (const { host, port, guestPort } of ports) {
        const at = host.includes(':') ? `[${host}]` : host;
        process.stderr.write(`caisson: ${at}:${port} leads to port ${guestPort} inside\n`);
      }
    },
  };
}

function parse(word: string): [number, { port: number; host?: string }] {
  const [, host, port = '0', inside = ''] =
    /^(?:(?:(\[[0-9a-f:]+\]|[^:]+):)?(\d{1,5}):)?(\d{1,5})$/i.exec(word) ?? [];
  const guestPort = Number(inside);
  if (inside === '' || guestPort < 1 || guestPort > 65_535 || Number(port) > 65_535) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'cli',
      message: `--publish ${JSON.stringify(word)} names no ports`,
      hint: 'write PORT:GUESTPORT, or GUESTPORT for a port that is free, as in --publish 8000:8080',
    });
  }
  const plain = host === 'localhost' ? '127.0.0.1' : host?.replace(/^\[|\]$/g, '');
  return [guestPort, { port: Number(port), ...(plain === undefined ? {} : { host: plain }) }];
}
