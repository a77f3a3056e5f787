/**
 * Who asks without credentials, where the configuration lets them: a program of this machine.
 *
 * A browser is one, too, and does what pages of anybody make it do. A page cannot keep it from naming itself (Fetch,
 * "Origin" and "Sec-Fetch-Site"), nor make it say that it asks for `localhost` when it was led here under another name
 * (DNS rebinding). So requests of pages, and for other hosts, are not taken.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { SCOPES } from '../../api/scope.ts';
import { CaissonError } from '../../core/error.ts';
import { isLoopback } from '../../policy/special-address.ts';
import type { Caller } from './caller.ts';
import { DEFAULT_TENANT } from './tenants.ts';

const CALLER: Caller = Object.freeze({
  tenant: DEFAULT_TENANT,
  subject: 'anonymous',
  scopes: new Set(SCOPES),
  isOperator: true,
});

/** RFC 7239; RFC 9110, 7.6.3; and what proxies send by custom. */
const FORWARDING = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'];

/**
 * @param address of the other end; undefined: a unix socket. Not to be told from the connection: one over TCP that has been
 * closed by then has no address either
 * @throws UNAUTHENTICATED
 */
export function anonymousCaller(headers: IncomingHttpHeaders, address: string | undefined): Caller {
  const isPage =
    headers.origin !== undefined ||
    (headers['sec-fetch-site'] !== undefined && headers['sec-fetch-site'] !== 'none');
  // A proxy of this machine asks for others.
  const isForwarded = FORWARDING.some((name) => headers[name] !== undefined);
  const isHere =
    !isForwarded &&
    (address === undefined || (isLoopback(address) && namesLoopback(headers.host ?? '')));
  if (!isPage && isHere) return CALLER;
  throw new CaissonError('UNAUTHENTICATED', {
    layer: 'server',
    message: isPage
      ? 'pages of a browser are not taken without credentials'
      : 'only programs of this machine are taken without credentials',
    hint: 'send Authorization: Bearer KEY; whoever runs the service makes one (caisson access keys create)',
  });
}

/** `localhost`, `127.0.0.1` and `::1`, with or without a port. */
function namesLoopback(host: string): boolean {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+))(?::\d{1,5})?$/i.exec(host);
  const name = match?.[1] ?? match?.[2] ?? '';
  return name.toLowerCase() === 'localhost' || isLoopback(name);
}
