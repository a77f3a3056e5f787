/** What every request is asked before its handler sees it; wired in open-service. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Route } from '../../api/route.ts';
import { rolesWith, type Scope } from '../../api/scope.ts';
import { CaissonError } from '../../core/error.ts';

/** Who asks. */
export interface Caller {
  readonly tenant: string;
  /** A key's id, or the subject of a token: for the log and for audit. */
  readonly subject: string;
  readonly scopes: ReadonlySet<Scope>;
  /** May act for every tenant. */
  readonly isOperator: boolean;
  readonly keyId?: string;
}

/** What is known of a request before anybody is asked. */
export interface Knock {
  readonly headers: IncomingHttpHeaders;
  /** Name, value, name, value: as they came, doubled ones too. */
  readonly rawHeaders: readonly string[];
  /** Empty for a unix socket. */
  readonly address: string;
}

export interface Gatekeeper {
  /** @throws UNAUTHENTICATED, FORBIDDEN, RATE_LIMITED */
  authenticate(knock: Knock): Caller | Promise<Caller>;
  /**
   * Counts the request on its tenant’s account.
   *
   * @returns headers that tell what is left
   * @throws RATE_LIMITED, with `details.retryAfterSeconds`
   */
  count(caller: Caller, route: Route): Readonly<Record<string, string>>;
  /** Whether the route is open to whoever asks, by configuration. */
  isOpen(route: Route): boolean;
}

/** @throws FORBIDDEN */
export function requireScope({ scopes, subject }: Caller, { scope, id }: Route): void {
  if (scope === 'public' || scopes.has(scope)) return;
  const roles = rolesWith(scope);
  throw new CaissonError('FORBIDDEN', {
    layer: 'server',
    message: `${subject} may not ${id}: it lacks the scope ${scope}`,
    hint: `ask for the scope ${scope}, or for a role that has it: ${roles.join(', ')}`,
    details: { scope, roles },
  });
}

/** Stands in for the caller of a public route. */
export const NOBODY: Caller = Object.freeze({
  tenant: '',
  subject: '',
  scopes: new Set<Scope>(),
  isOperator: false,
});
