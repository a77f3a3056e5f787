/**
 * The same document, written in TypeScript. Each call gives a new builder; nothing is shared.
 */
import type { PolicyDocument } from './document.ts';
import { type PolicyContext, policyFromDocument } from './parse.ts';
import type { Level, Policy, WallName } from './policy.ts';
import type { ProfileName } from './profiles.ts';

type Rule = NonNullable<NonNullable<PolicyDocument['network']>['allow']>[number];
type Section<K extends keyof PolicyDocument> = NonNullable<PolicyDocument[K]>;

/**
 * Starts a policy.
 *
 * @example
 * const policy = definePolicy('analysis')
 *   .extends('python')
 *   .read('/srv/data', '!/srv/data/private')
 *   .write('out')
 *   .connect('pypi.org:443')
 *   .limit({ memory: '2GiB', timeout: '5m' })
 *   .build();
 */
export function definePolicy(name?: string): PolicyBuilder {
  return new PolicyBuilder({ version: 1, ...(name === undefined ? {} : { name }) });
}

export class PolicyBuilder {
  readonly #document: PolicyDocument;

  constructor(document: PolicyDocument) {
    this.#document = document;
  }

  /** Builds on profiles or files, after those named before. */
  extends(...references: readonly (ProfileName | (string & {}))[]): PolicyBuilder {
    const before = [this.#document.extends ?? []].flat();
    return this.#with({ extends: [...before, ...references] });
  }

  level(level: Level): PolicyBuilder {
    return this.#with({ level });
  }

  /** Best first. */
  walls(...walls: readonly WallName[]): PolicyBuilder {
    return this.#with({ walls: [...walls] });
  }

  /** `kill`: any violation ends the run; `record`: none does. */
  onViolation(onViolation: 'record' | 'kill'): PolicyBuilder {
    return this.#with({ onViolation });
  }

  /** Records refused file accesses, too. */
  fileRefusals(fileRefusals: 'none' | 'audit' | 'observe'): PolicyBuilder {
    return this.#with({ fileRefusals });
  }

  /** `{resultGrid: '100ms', tsc: 'deny'}`. */
  sideChannels(sideChannels: Section<'sideChannels'>): PolicyBuilder {
    return this.#with({ sideChannels: { ...this.#document.sideChannels, ...sideChannels } });
  }

  /** `{refuse: 60, requires: 'signature'}`; what is said here replaces what was said of the same key. */
  admission(admission: Section<'admission'>): PolicyBuilder {
    return this.#with({ admission: { ...this.#document.admission, ...admission } });
  }

  /** No path may be both read and written. */
  hermetic(): PolicyBuilder {
    return this.#with({ hermetic: true });
  }

  /** Absolute, below the workspace, or `~/…`; `!path` carves out. */
  read(...paths: readonly string[]): PolicyBuilder {
    return this.#filesystem('read', paths);
  }

  write(...paths: readonly string[]): PolicyBuilder {
    return this.#filesystem('write', paths);
  }

  scratch(...paths: readonly string[]): PolicyBuilder {
    return this.#filesystem('scratch', paths);
  }

  protect(...patterns: readonly string[]): PolicyBuilder {
    return this.#filesystem('protect', patterns);
  }

  workspace(
    mode: 'direct' | 'overlay' | 'staged' | 'none',
    apply?: 'manual' | 'auto',
  ): PolicyBuilder {
    const filesystem = { ...this.#document.filesystem, workspace: mode };
    return this.#with({ filesystem: apply === undefined ? filesystem : { ...filesystem, apply } });
  }

  /** Makes /sys visible, read-only. */
  sys(): PolicyBuilder {
    return this.#with({ filesystem: { ...this.#document.filesystem, sys: true } });
  }

  /** @param group the network that sandboxes share; for `internal` */
  network(mode: 'none' | 'internal' | 'filtered' | 'full', group?: string): PolicyBuilder {
    const network = { ...this.#document.network, mode };
    return this.#with({ network: group === undefined ? network : { ...network, group } });
  }

  /** The egress proxy opens TLS and sees requests. */
  intercept(): PolicyBuilder {
    return this.#with({ network: { ...this.#document.network, intercept: true } });
  }

  /** The caller's variable of this name goes to these hosts alone, and never inside. */
  secret(name: string, ...hosts: readonly string[]): PolicyBuilder {
    const secrets = { ...this.#document.network?.secrets, [name]: { hosts: [...hosts] } };
    return this.#with({ network: { ...this.#document.network, secrets } });
  }

  /** `pypi.org`, `*.example.org:80,443`, `10.0.0.0/8:5432`, `{host: 'api.x.org', http: ['GET /repos/**']}`. */
  connect(...destinations: readonly Rule[]): PolicyBuilder {
    const allow = [...(this.#document.network?.allow ?? []), ...destinations];
    return this.#with({ network: { ...this.#document.network, allow } });
  }

  denyConnect(...destinations: readonly string[]): PolicyBuilder {
    const deny = [...(this.#document.network?.deny ?? []), ...destinations];
    return this.#with({ network: { ...this.#document.network, deny } });
  }

  listen(...ports: readonly number[]): PolicyBuilder {
    const listen = [...(this.#document.network?.listen ?? []), ...ports];
    return this.#with({ network: { ...this.#document.network, listen } });
  }

  passEnvironment(...names: readonly string[]): PolicyBuilder {
    const pass = [...(this.#document.environment?.pass ?? []), ...names];
    return this.#with({ environment: { ...this.#document.environment, pass } });
  }

  setEnvironment(values: Readonly<Record<string, string>>): PolicyBuilder {
    const set = { ...this.#document.environment?.set, ...values };
    return this.#with({ environment: { ...this.#document.environment, set } });
  }

  syscalls(syscalls: Section<'syscalls'>): PolicyBuilder {
    return this.#with({ syscalls: { ...this.#document.syscalls, ...syscalls } });
  }

  capabilities(capabilities: Section<'capabilities'>): PolicyBuilder {
    return this.#with({ capabilities: { ...this.#document.capabilities, ...capabilities } });
  }

  devices(...paths: readonly string[]): PolicyBuilder {
    return this.#with({ devices: [...(this.#document.devices ?? []), ...paths] });
  }

  hostname(hostname: string): PolicyBuilder {
    return this.#with({ hostname });
  }

  /** `{memory: '512MiB', timeout: '30s'}`; `null` lifts a limit. */
  limit(limits: Section<'limits'>): PolicyBuilder {
    return this.#with({ limits: { ...this.#document.limits, ...limits } });
  }

  /** The document so far, as one would write it in YAML. */
  document(): PolicyDocument {
    return structuredClone(this.#document);
  }

  /** @throws CaissonError `POLICY_INVALID`, with every problem in `details.problems` */
  build(context: PolicyContext = {}): Policy {
    return policyFromDocument(this.#document, context);
  }

  #filesystem(
    key: 'read' | 'write' | 'scratch' | 'protect',
    entries: readonly string[],
  ): PolicyBuilder {
    const joined = [...(this.#document.filesystem?.[key] ?? []), ...entries];
    return this.#with({ filesystem: { ...this.#document.filesystem, [key]: joined } });
  }

  #with(more: PolicyDocument): PolicyBuilder {
    return new PolicyBuilder({ ...this.#document, ...more });
  }
}
