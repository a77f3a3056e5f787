/**
 * Cleartext HTTP: every request of a connection is parsed strictly, held against the rules and sent on; the machinery
 * is that of interception, without TLS and without secrets.
 */
import type { Route } from './intercept/forward.ts';
import type { GuestConnection } from './intercept/interceptor.ts';
import { RequestServers } from './intercept/request-servers.ts';
import { Secrets } from './intercept/secrets.ts';
import { Upstream } from './intercept/upstream.ts';

export class HttpRelay {
  readonly #servers = new RequestServers();
  readonly #noSecrets = new Secrets([]);

  /** After a change of the policy: requests and tunnels that are no longer allowed end. */
  recheck(): void {
    this.#servers.recheck();
  }

  /** Takes the connection over. */
  serve(connection: GuestConnection, rules: Pick<Route, 'restricted' | 'decide' | 'report'>): void {
    const upstream = new Upstream(connection, [], false);
    connection.stream.once('close', () => upstream.close());
    connection.stream.on('error', () => connection.stream.destroy());
    this.#servers.serveHttp1(connection.stream, {
      connection,
      upstream,
      secrets: this.#noSecrets,
      ...rules,
    });
  }
}
