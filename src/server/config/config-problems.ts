/**
 * What single values do not show: settings that contradict each other, or would let anybody in.
 */
import { formatPath, type Locate, type Problem } from '../../policy/problems.ts';
import { isLoopback } from '../../policy/special-address.ts';
import { suggest } from '../../policy/suggest.ts';
import type { Config } from './config-schema.ts';

export function configProblems(config: Config, locate?: Locate): Problem[] {
  const problems: Problem[] = [];
  const report = (
    path: readonly (string | number)[],
    message: string,
    suggestion: string,
  ): void => {
    problems.push({ path: formatPath(path), ...locate?.(path, 'value'), message, suggestion });
  };
  const { listen, auth } = config;
  const isPrivate = listen.socketPath !== undefined || isLoopbackHost(listen.host);
  const letsIn = auth.apiKeys || auth.oidc.length > 0;

  if (!isPrivate && !letsIn) {
    report(
      ['listen', 'host'],
      `everybody who reaches ${listen.host} could ask without credentials`,
      'listen on 127.0.0.1 or a unix socket, or leave auth.apiKeys on',
    );
  }
  if (!isPrivate && auth.anonymous) {
    report(
      ['auth', 'anonymous'],
      `who brings no credentials would be the operator, for everybody who reaches ${listen.host}`,
      'take it out, or listen on 127.0.0.1 or a unix socket',
    );
  }
  if (isPrivate && !letsIn && !auth.anonymous) {
    report(['auth'], 'nobody could ask for anything', 'leave auth.apiKeys on, or name an issuer');
  }
  if (!isPrivate && listen.tls === undefined && !listen.insecure) {
    report(
      ['listen', 'host'],
      `keys and code would go to and from ${listen.host} in clear text`,
      'give listen.tls, or set listen.insecure where a proxy in front speaks TLS',
    );
  }
  if (listen.socketPath !== undefined && auth.anonymous && /[2367]$/.test(listen.socketMode)) {
    report(
      ['listen', 'socketMode'],
      'every user of this machine would be the operator',
      'write 600, or 660 and a group of the socket’s directory',
    );
  }
  if (listen.socketPath !== undefined && Buffer.byteLength(listen.socketPath) > 107) {
    report(['listen', 'socketPath'], 'longer than 107 bytes (unix(7))', 'write a shorter path');
  }
  for (const [i, { issuer, jwksUri }] of auth.oidc.entries()) {
    for (const [key, text] of Object.entries({ issuer, jwksUri })) {
      if (text === undefined || !text.startsWith('http:')) continue;
      if (isLoopbackHost(new URL(text).hostname.replace(/^\[|\]$/g, ''))) continue;
      report(['auth', 'oidc', i, key], 'keys from there could be anybody’s', 'write https://');
    }
  }
  const tenants = [
    [['tenantDefaults'], config.tenantDefaults],
    ...Object.entries(config.tenants).map(([name, each]) => [['tenants', name], each] as const),
  ] as const;
  for (const [path, { workspaces = [] }] of tenants) {
    for (const [i, name] of workspaces.entries()) {
      if (Object.hasOwn(config.workspaces, name)) continue;
      const near = suggest(name, Object.keys(config.workspaces));
      report(
        [...path, 'workspaces', i],
        `there is no ${name} under workspaces`,
        near ? `did you mean ${near}?` : 'name it there, with its directory',
      );
    }
  }
  if (config.signing.passphraseFile !== undefined && config.signing.keyFile === undefined) {
    report(['signing', 'passphraseFile'], 'there is no key that it is for', 'add signing.keyFile');
  }
  if (config.limits.headersTimeoutMs > config.limits.requestTimeoutMs) {
    report(
      ['limits', 'headersTimeoutMs'],
      'longer than a whole request may take',
      'write at most limits.requestTimeoutMs',
    );
  }
  return problems;
}

/** A name other than localhost may become anything. */
function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || isLoopback(host);
}
