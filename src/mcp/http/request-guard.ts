/**
 * What is looked at before a request of HTTP is read: that it is meant for this server (a name that was pointed at it, DNS
 * rebinding, has another Host), that no web page made it (Origin), and whose it is.
 */
import type { IncomingMessage } from 'node:http';
import { CaissonError } from '../../core/error.ts';
import type { BearerTokens } from './bearer-tokens.ts';

export interface GuardSetup {
  /** As in a Host header, lower case: `127.0.0.1:8641`. */
  readonly hosts: ReadonlySet<string>;
  /** As in an Origin header: `https://tools.example.org`. */
  readonly origins: ReadonlySet<string>;
  /** Absent: whoever reaches it may use it. */
  readonly tokens?: BearerTokens;
}

const OPEN_SUBJECT = 'local';

/** @returns whose request it is @throws FORBIDDEN, UNAUTHENTICATED */
export function subjectOf(request: IncomingMessage, setup: GuardSetup): string {
  const { hosts, origins, tokens } = setup;
  const host = only(request, 'host')?.toLowerCase();
  if (host === undefined || !hosts.has(host)) {
    throw forbidden('the request names another host', 'call it as it listens, or --allow-host it');
  }
  const origin = only(request, 'origin');
  if (origin !== undefined && !origins.has(origin)) {
    throw forbidden('a web page of another origin asks', 'start the server with --allow-origin');
  }
  // Browsers say so even where they leave Origin out; programs do not send it.
  const site = only(request, 'sec-fetch-site');
  if (origin === undefined && site !== undefined && site !== 'none' && site !== 'same-origin') {
    throw forbidden('a web page of another site asks', 'start the server with --allow-origin');
  }
  if (tokens === undefined) return OPEN_SUBJECT;
  const authorization = only(request, 'authorization');
  const subject = tokens.subjectOf(authorization);
  if (subject !== undefined) return subject;
  throw new CaissonError('UNAUTHENTICATED', {
    layer: 'mcp',
    message:
      authorization === undefined ? 'a bearer token is needed' : 'that bearer token is not known',
    hint: 'send Authorization: Bearer TOKEN, of --token-file or CAISSON_MCP_TOKEN',
  });
}

/** Where Node keeps the first of several, or joins them, there is no telling which is meant. @throws FORBIDDEN */
export function only(request: IncomingMessage, name: string): string | undefined {
  const { rawHeaders } = request;
  let found: string | undefined;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() !== name) continue;
    if (found !== undefined) throw forbidden(`the header ${name} comes twice`, 'send it once');
    found = rawHeaders[at + 1];
  }
  return found;
}

function forbidden(message: string, hint: string): CaissonError {
  return new CaissonError('FORBIDDEN', { layer: 'mcp', message, hint });
}
