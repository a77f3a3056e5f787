/** Who is let in: by an API key, by a token, or by nothing where the configuration says so. Whatever fails, nobody is. */
import type { Route } from '../../api/route.ts';
import { CaissonError } from '../../core/error.ts';
import type { Gatekeeper, Knock } from '../http/gatekeeper.ts';
import { anonymousCaller } from './anonymous.ts';
import { type ApiKeys, unknownKey } from './api-keys.ts';
import type { BearerTokens } from './bearer-tokens.ts';
import type { Caller } from './caller.ts';
import { credentialsOf } from './credentials.ts';
import { TOKEN_PREFIX } from './key-token.ts';
import type { RateLimits } from './rate-limits.ts';
import type { Tenants } from './tenants.ts';

export interface GateOptions {
  /** Absent: API keys are not taken. */
  readonly keys?: ApiKeys | undefined;
  /** Absent: tokens are not taken. */
  readonly tokens?: BearerTokens | undefined;
  /** Programs of this machine need no credentials. */
  readonly anonymous: boolean;
  /** It listens on a unix socket, and nowhere else. */
  readonly onSocket: boolean;
  /** /metrics is for whoever asks. */
  readonly openMetrics: boolean;
  readonly tenants: Tenants;
  readonly rateLimits: RateLimits;
}

export class Gate implements Gatekeeper {
  readonly #options: GateOptions;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** @throws UNAUTHENTICATED, FORBIDDEN, RATE_LIMITED, AUTHENTICATION_UNAVAILABLE, STORE_UNUSABLE */
  authenticate(knock: Knock): Caller | Promise<Caller> {
    const reading = this.#options.tenants.follow();
    if (reading !== undefined) return reading.then(() => this.#authenticate(knock));
    return this.#authenticate(knock);
  }

  /** Executions are what takes room or time, on top of being requests. */
  count({ tenant }: Caller, route: Route): Readonly<Record<string, string>> {
    return this.#options.rateLimits.count(tenant, route.executes === true ? EXECUTIONS : REQUESTS);
  }

  isOpen({ path }: Route): boolean {
    return this.#options.openMetrics && path === '/metrics';
  }

  #authenticate(knock: Knock): Caller | Promise<Caller> {
    const token = credentialsOf(knock.rawHeaders);
    const caller = token === undefined ? this.#anonymous(knock) : this.#identify(token, knock);
    if (caller instanceof Promise) return caller.then((known) => this.#admit(known));
    return this.#admit(caller);
  }

  /** Wrong credentials are never as good as none. */
  #identify(token: string, { address }: Knock): Caller | Promise<Caller> {
    const { keys, tokens } = this.#options;
    if (token.startsWith(TOKEN_PREFIX)) {
      if (keys === undefined) throw notTaken('API keys are not taken here');
      return keys.authenticate(token, address);
    }
    if (tokens === undefined) {
      // What is no key by its form is told what every key is told that nobody knows.
      throw keys === undefined ? notTaken('credentials are not taken here') : unknownKey();
    }
    // Their proof is cheap, and nothing of it is secret: nobody has to wait for the mistakes of others.
    return tokens.authenticate(token);
  }

  #anonymous({ headers, address }: Knock): Caller {
    const { anonymous, onSocket } = this.#options;
    if (anonymous) return anonymousCaller(headers, onSocket ? undefined : address);
    throw notTaken('there are no credentials');
  }

  #admit(caller: Caller): Caller {
    this.#options.tenants.require(caller.tenant);
    return caller;
  }
}

const REQUESTS = ['requests'] as const;
const EXECUTIONS = ['requests', 'executions'] as const;

function notTaken(message: string): CaissonError {
  return new CaissonError('UNAUTHENTICATED', {
    layer: 'server',
    message,
    hint: 'send Authorization: Bearer KEY; whoever runs the service makes one (caisson access keys create)',
  });
}
