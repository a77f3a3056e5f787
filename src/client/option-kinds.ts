/** The options of what a service does, and of which kind each is. */
import { SIGNED_KINDS } from '../admission/signing/statement.ts';
import type { changeTenant, createKey, createTenant, listKeys, rotateKey } from '../api/access.ts';
import type { trustSigner } from '../api/admission.ts';
import type { BodyInputOf, QueryInputOf } from '../api/route.ts';
import type { threatStatistics } from '../api/statistics.ts';
import { EVAL } from '../functions/option-kinds.ts';
import type { ModuleFilter, ModuleRegistration } from '../modules/module-schemas.ts';
import type { KindsOf } from '../policy/known-options.ts';
import { EVALUATION, EXEC, MANAGED, SPAWN } from '../sandbox/option-kinds.ts';
import { SANDBOX_STATES } from '../store/managed-record.ts';
import type { Once } from './place.ts';
import type { RemoteScanOptions, RemoteSubject } from './remote-admission.ts';
import type { RemoteSandboxFilter } from './remote-overview.ts';

export const ONCE = { idempotencyKey: 'text' } as const satisfies KindsOf<Once>;

/** By the method that takes them. */
export const REMOTE = {
  run: { ...EXEC, ...MANAGED.each, ...ONCE },
  spawn: { ...SPAWN, ...MANAGED.each },
  create: { ...MANAGED.create, ...ONCE },
  fork: { ...MANAGED.fork, ...ONCE },
  evaluate: { ...EVALUATION, ...ONCE },
  eval: { ...EVAL, ...ONCE },
  exec: { ...EXEC, ...ONCE },
} as const;

/** Of what lists: passed over, all would be listed. */
export const FILTERS = {
  sandboxes: { state: SANDBOX_STATES, label: 'text' } satisfies KindsOf<RemoteSandboxFilter>,
  modules: {
    id: 'text',
    kind: ['js', 'wasm', 'command'],
    enabled: 'boolean',
  } satisfies KindsOf<ModuleFilter>,
  keys: { tenant: 'text' } satisfies KindsOf<
    Omit<NonNullable<QueryInputOf<typeof listKeys>>, 'limit' | 'after'>
  >,
  threats: { days: 'any' } satisfies KindsOf<NonNullable<QueryInputOf<typeof threatStatistics>>>,
} as const;

const LIMITS = { timeoutMs: 'number', cpuMs: 'number', memoryBytes: 'number' } as const;

/** Of what is sent as it is. What a value may be is the service's to say. */
export const SENT = {
  scan: {
    profile: ['effect', 'package'],
    declares: 'texts',
    threshold: 'number',
    listFrom: 'number',
    model: 'boolean',
    signal: 'signal',
  } satisfies KindsOf<RemoteScanOptions>,
  subject: {
    id: 'text',
    version: 'text',
    kind: SIGNED_KINDS,
    code: 'content',
    declares: 'texts',
    limits: LIMITS,
  } satisfies KindsOf<RemoteSubject>,
  signer: {
    name: 'text',
    key: 'text',
    scope: 'object',
    from: 'text',
    until: 'text',
    replace: 'boolean',
  } satisfies KindsOf<BodyInputOf<typeof trustSigner>>,
  key: {
    name: 'text',
    roles: 'texts',
    scopes: 'texts',
    expiresMs: 'number',
    tenant: 'text',
  } satisfies KindsOf<BodyInputOf<typeof createKey>>,
  rotation: { overlapMs: 'number' } satisfies KindsOf<BodyInputOf<typeof rotateKey>>,
  tenant: {
    id: 'text',
    description: 'text',
    settings: 'object',
  } satisfies KindsOf<BodyInputOf<typeof createTenant>>,
  tenantChange: {
    description: 'text',
    settings: 'object',
    disabled: 'boolean',
  } satisfies KindsOf<BodyInputOf<typeof changeTenant>>,
  module: {
    id: 'text',
    version: 'text',
    kind: ['js', 'wasm', 'command'],
    language: ['javascript', 'typescript'],
    code: 'any',
    export: 'text',
    keep: ['nothing', 'isolate', 'context'],
    limits: LIMITS,
    signature: 'text',
    publicKey: 'text',
    declares: 'texts',
    signatures: 'texts',
    certificate: 'bytes',
    metadata: 'any',
  } satisfies KindsOf<ModuleRegistration>,
} as const;
