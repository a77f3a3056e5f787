/** Where a server over HTTP listens, and the names that it is called by there. */
import { isIP } from 'node:net';
import { CaissonError } from '../../core/error.ts';
import { specialAddress } from '../../policy/special-address.ts';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** Only programs of this machine reach it. */
  readonly isLoopback: boolean;
}

/** `8641`, `127.0.0.1:8641`, `[::1]:8641`; port 0: one that is free. @throws REQUEST_INVALID */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-f:.]+)\]:|([^:[\]\s]+):)?(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2] ?? '127.0.0.1';
  const isName = isIP(host) === 0;
  if (match === null || port > 65_535 || (isName && host !== 'localhost')) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'mcp',
      message: `${JSON.stringify(text.slice(0, 100))} is not an address to listen on`,
      hint: 'write PORT, 127.0.0.1:PORT or [::1]:PORT',
    });
  }
  // What the resolver makes of localhost is not ours to trust.
  const address = isName ? '127.0.0.1' : host;
  return { host: address, port, isLoopback: specialAddress(address) === 'loopback' };
}

export function notListening(
  { host, port }: ListenAddress,
  cause: NodeJS.ErrnoException,
): CaissonError {
  const at = `${host}:${port}`;
  if (cause.code === 'EADDRINUSE') {
    return new CaissonError('CONFLICT', {
      layer: 'mcp',
      message: `another process listens at ${at}`,
      hint: 'stop it, or take another port: --http PORT, 0 for one that is free',
      cause,
    });
  }
  const [message, hint] =
    cause.code === 'EACCES'
      ? [`this user may not listen at ${at}`, 'take a port from 1024 on: --http PORT']
      : cause.code === 'EADDRNOTAVAIL'
        ? [`this machine has no address ${host}`, 'take one that it has, or 127.0.0.1']
        : [`it cannot listen at ${at}: ${cause.message}`, 'take another port: --http PORT'];
  return new CaissonError('REQUEST_INVALID', { layer: 'mcp', message, hint, cause });
}

/** A slip in one of them would let nobody in, and say so to the client alone. @throws REQUEST_INVALID */
export function checkNames({
  hosts = [],
  origins = [],
}: {
  readonly hosts?: readonly string[];
  readonly origins?: readonly string[];
}): void {
  const host = hosts.find((each) => !/^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.test(each));
  if (host !== undefined) {
    throw notNamed(host, 'a name in a Host header', 'write NAME or NAME:PORT (--allow-host)');
  }
  const origin = origins.find((each) => !isOrigin(each));
  if (origin !== undefined) {
    const hint = 'write scheme, name and port alone: http://localhost:6274 (--allow-origin)';
    throw notNamed(origin, 'an origin', hint);
  }
}

/** As a browser writes it; extensions have schemes of their own. */
function isOrigin(text: string): boolean {
  if (/^https?:/i.test(text)) return URL.canParse(text) && new URL(text).origin === text;
  return /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#]+$/.test(text);
}

function notNamed(text: string, what: string, hint: string): CaissonError {
  const message = `${JSON.stringify(text.slice(0, 100))} is not ${what}`;
  return new CaissonError('REQUEST_INVALID', { layer: 'mcp', message, hint });
}

/**
 * What a Host header may say.
 *
 * @param port that it listens on
 * @param isTls whose own port is 443, which a client leaves out
 * @param more names that the person gave, with or without a port
 */
export function hostsOf(
  { host, isLoopback }: ListenAddress,
  port: number,
  more: readonly string[],
  isTls = false,
): Set<string> {
  const shown = host.includes(':') ? `[${host}]` : host;
  const own = isLoopback ? [shown, 'localhost', '127.0.0.1', '[::1]'] : [shown];
  const named = more.flatMap((name) =>
    /:\d+$/.test(name)
      ? [name.toLowerCase()]
      : [name.toLowerCase(), `${name.toLowerCase()}:${port}`],
  );
  const bare = port === (isTls ? 443 : 80) ? own : [];
  return new Set([...own.map((name) => `${name}:${port}`), ...bare, ...named]);
}
