/** From what a request names to where it happens: a policy within its tenant’s ceiling, a workspace of the service. */
import type { Capability } from '../core/admission.ts';
import { CaissonError } from '../core/error.ts';
import { Turns } from '../core/turns.ts';
import type { Policy } from '../policy/policy.ts';
import type { CodeClaims, PlaceOptions } from '../sandbox/place-options.ts';
import type { ServiceStore } from '../store/service-store.ts';
import type { Caller } from './http/gatekeeper.ts';
import type { Security } from './security/security.ts';
import type { Workspace, Workspaces } from './workspaces.ts';

/** As the contract has it: src/api/sandboxes.ts, `placeFields`. */
export interface AskedPlace {
  readonly policy?: string | Readonly<Record<string, unknown>> | undefined;
  readonly workspace?: string | undefined;
  readonly accept?: readonly string[] | undefined;
  readonly secrets?: Readonly<Record<string, string>> | undefined;
  readonly claims?: AskedClaims | undefined;
}

export interface AskedClaims {
  readonly name?: string | undefined;
  readonly declares?: readonly Capability[] | undefined;
  readonly signatures?: readonly string[] | undefined;
  /** Base64. */
  readonly certificate?: string | undefined;
  readonly limits?:
    | { readonly [K in 'timeoutMs' | 'cpuMs' | 'memoryBytes']?: number | undefined }
    | undefined;
}

export interface Place extends PlaceOptions {
  readonly policy: Policy;
  readonly tenant: string;
  readonly secrets: Readonly<Record<string, string>>;
}

/** A level or a profile is one word; what a tenant has stored has a name with or without a version. */
const STORED = /^[a-z0-9][a-z0-9._-]{0,63}(?:@(?<version>[1-9][0-9]{0,8}))?$/;

/** Characters of a policy that is compared in no time. */
const SHORT = 2048;

export class Places {
  readonly #default: string | Readonly<Record<string, unknown>>;
  readonly #store: ServiceStore;
  readonly #security: Security;
  readonly #workspaces: Workspaces;
  readonly #recycleNetwork: boolean;
  readonly #turns = new Turns();

  constructor(parts: {
    /** Of requests that name no policy. */
    readonly fallback: string | Readonly<Record<string, unknown>>;
    readonly store: ServiceStore;
    readonly security: Security;
    readonly workspaces: Workspaces;
    readonly recycleNetwork: boolean;
  }) {
    this.#default = parts.fallback;
    this.#store = parts.store;
    this.#security = parts.security;
    this.#workspaces = parts.workspaces;
    this.#recycleNetwork = parts.recycleNetwork;
  }

  /** Of requests that name none, as the configuration has it. */
  get defaultPolicy(): string | Readonly<Record<string, unknown>> {
    return this.#default;
  }

  /**
   * The policy of a request, within what its tenant may.
   *
   * @throws POLICY_INVALID, POLICY_NOT_FOUND, POLICY_BEYOND_CEILING
   */
  async policy({ tenant }: Caller, { policy, accept = [] }: AskedPlace): Promise<Policy> {
    const named = policy ?? this.#default;
    const written = typeof named === 'string' ? await this.#named(tenant, named) : named;
    const admit = (): Policy =>
      this.#security.ceilings.of(tenant).admit(written as never, { accept });
    // Long lists take long to be compared, and nobody is answered meanwhile.
    if (typeof written === 'string' || JSON.stringify(written).length <= SHORT) return admit();
    return await this.#turns.take(tenant, admit);
  }

  /** @throws REQUEST_INVALID */
  async workspace({ tenant }: Caller, { workspace }: AskedPlace): Promise<Workspace | undefined> {
    const { workspaces = [] } = this.#security.tenants.settings(tenant);
    return await this.#workspaces.take(workspace, workspaces);
  }

  place(caller: Caller, asked: AskedPlace, policy: Policy, workspace?: Workspace): Place {
    return {
      policy,
      tenant: caller.tenant,
      recycleNetwork: this.#recycleNetwork,
      accept: asked.accept ?? [],
      // Never the variables of the service itself.
      secrets: asked.secrets ?? {},
      ...(asked.claims === undefined ? {} : { claims: claimsOf(asked.claims) }),
      ...(workspace === undefined ? {} : { workspace: workspace.path }),
    };
  }

  /** A policy that the tenant has stored goes by its name; levels and profiles cannot be stored over. */
  async #named(tenant: string, name: string): Promise<unknown> {
    const version = STORED.exec(name)?.groups?.version;
    const bare = version === undefined ? name : name.slice(0, name.indexOf('@'));
    const stored = STORED.test(name)
      ? await this.#store.policies.get(
          tenant,
          bare,
          version === undefined ? undefined : Number(version),
        )
      : undefined;
    if (stored !== undefined) return stored.document;
    if (!name.includes('@')) return name;
    throw new CaissonError('POLICY_NOT_FOUND', {
      layer: 'server',
      message: `there is no policy ${name}`,
      hint: 'GET /api/policies lists those that are stored',
    });
  }
}

function claimsOf(claims: AskedClaims): CodeClaims {
  const { name, declares, signatures, certificate, limits } = claims;
  return {
    ...(name === undefined ? {} : { name }),
    ...(declares === undefined ? {} : { declares }),
    ...(signatures === undefined ? {} : { signatures }),
    ...(certificate === undefined ? {} : { certificate: Buffer.from(certificate, 'base64') }),
    ...(limits === undefined ? {} : { limits: limits as NonNullable<CodeClaims['limits']> }),
  };
}
