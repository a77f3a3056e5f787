/**
 * What the sandboxes of a session are made of: the person's policy, held so that a model cannot write through it, once
 * over the workspace and once without it.
 */
import { CaissonError } from '../core/error.ts';
import { WORKSPACE } from '../policy/path.ts';
import type { PathSet, Policy } from '../policy/policy.ts';

export type WorkspaceKind = 'overlay' | 'private';

export interface SandboxPlace {
  readonly kind: WorkspaceKind;
  readonly policy: Policy;
  /** Absolute, without links. */
  readonly workspace?: string;
}

export interface Narrowing {
  /** Never above the policy's. */
  readonly memoryBytes?: number | undefined;
}

export interface PlacesSetup {
  readonly policy: Policy;
  /** The directory that the person named; absent: sandboxes are private. */
  readonly workspace?: string;
  /** Whether network can be granted to a sandbox while it is open. */
  readonly mayAsk: boolean;
}

const LEAST_MEMORY = 32 * 2 ** 20;

export class SandboxPlaces {
  readonly #overlay: SandboxPlace | undefined;
  readonly #private: SandboxPlace;
  readonly #narrowed = new Map<string, Policy>();

  /** @throws REQUEST_INVALID for a policy that shows the guest the host as it is */
  constructor({ policy, workspace, mayAsk }: PlacesSetup) {
    if (policy.view === 'host') {
      throw new CaissonError('REQUEST_INVALID', {
        layer: 'mcp',
        message: `level ${policy.level} keeps nothing from a model's commands`,
        hint: 'take moderate, strict or paranoid',
      });
    }
    const held = withApplyByHand(mayAsk ? grantable(policy) : policy);
    this.#private = { kind: 'private', policy: withoutWorkspace(held) };
    if (workspace !== undefined && held.workspace.mode !== 'none') {
      this.#overlay = { kind: 'overlay', policy: held, workspace };
    }
  }

  get defaultKind(): WorkspaceKind {
    return this.#overlay === undefined ? 'private' : 'overlay';
  }

  get workspace(): string | undefined {
    return this.#overlay?.workspace;
  }

  /** @throws REQUEST_INVALID where there is no workspace */
  place(kind: WorkspaceKind = this.defaultKind, narrowing: Narrowing = {}): SandboxPlace {
    const place = kind === 'overlay' ? this.#overlay : this.#private;
    if (place === undefined) {
      throw new CaissonError('REQUEST_INVALID', {
        layer: 'mcp',
        message: 'there is no workspace: the person who started this server named none',
        hint: 'take workspace "private"; they can start it with --workspace DIR',
      });
    }
    return { ...place, policy: this.#narrow(place, narrowing) };
  }

  /** For what runs in an engine: neither files nor network. */
  engine(narrowing: Narrowing = {}): Policy {
    const { policy } = this.#private;
    const { secrets: _, intercept: __, ...network } = policy.network;
    const alone: SandboxPlace = {
      kind: 'private',
      policy: { ...policy, network: { ...network, mode: 'none', allow: [], deny: [], listen: [] } },
    };
    return this.#narrow(alone, narrowing, 'engine');
  }

  /** The same narrowing is the same policy. In steps of powers of two, so that a model cannot make policies without end. */
  #narrow(place: SandboxPlace, { memoryBytes }: Narrowing, name: string = place.kind): Policy {
    const own = place.policy.limits.memoryBytes ?? Number.POSITIVE_INFINITY;
    const asked = memoryBytes === undefined ? own : Math.max(LEAST_MEMORY, memoryBytes);
    const memory = asked >= own ? undefined : 2 ** Math.ceil(Math.log2(asked));
    const isLower = memory !== undefined && memory < own;
    const key = `${name} ${isLower ? memory : ''}`;
    const known = this.#narrowed.get(key);
    if (known !== undefined) return known;
    const limits = isLower
      ? { ...place.policy.limits, memoryBytes: memory, memoryHighBytes: null }
      : place.policy.limits;
    // Frozen, so that it is known again by what it is.
    const made = Object.freeze({ ...place.policy, limits });
    this.#narrowed.set(key, made);
    return made;
  }
}

/** What a model changes is kept aside, whatever the policy does for the person's own runs. */
function withApplyByHand(policy: Policy): Policy {
  const { mode } = policy.workspace;
  const writes = policy.write.rules.some(({ path, include }) => include && isBelowWorkspace(path));
  if (mode === 'none') return policy;
  return {
    ...policy,
    workspace: { mode: mode === 'direct' && writes ? 'overlay' : mode, apply: 'manual' },
  };
}

/** A network that reaches nothing, so that something can be granted while the sandbox is open. */
function grantable(policy: Policy): Policy {
  if (policy.network.mode !== 'none' || policy.level === 'paranoid') return policy;
  return { ...policy, network: { ...policy.network, mode: 'filtered', allow: [] } };
}

function withoutWorkspace(policy: Policy): Policy {
  return {
    ...policy,
    read: elsewhere(policy.read),
    write: elsewhere(policy.write),
    protect: [],
    workspace: { mode: 'none', apply: 'manual' },
  };
}

function elsewhere({ rules }: PathSet): PathSet {
  return { rules: rules.filter(({ path }) => !isBelowWorkspace(path)) };
}

function isBelowWorkspace(path: string): boolean {
  return path === WORKSPACE || path.startsWith(`${WORKSPACE}/`);
}
