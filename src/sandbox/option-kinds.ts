/**
 * Every option of what runs things, and of which kind it is: what `checkOptions` lets through. Loads nothing that runs
 * anything, so that a client can load it, too.
 */
import type { WasmOptions } from '../backends/program.ts';
import type { TraceContext } from '../core/telemetry.ts';
import { having, type KindsOf } from '../policy/known-options.ts';
import type { ApplyOptions, ChangesOptions } from './changes.ts';
import type { EvaluateOptions } from './evaluator.ts';
import type { ExecOptions, SpawnOptions } from './exec-options.ts';
import type { ReadStreamOptions, WriteStreamOptions } from './file-streams.ts';
import type { ManagedFilter } from './manager/managed-info.ts';
import type {
  ManagedCreateOptions,
  ManagedForkOptions,
  ManagedOptions,
  ManagedRunOptions,
  ManagedSpawnOptions,
  ManagerOptions,
} from './manager/manager-options.ts';
import type { PoolLimits } from './manager/resources.ts';
import type { CloseManagerOptions } from './manager/sandbox-manager.ts';
import type { CodeClaims, PlaceOptions } from './place-options.ts';
import type { PublishOptions } from './ports.ts';
import type { NetworkOptions } from './run-network.ts';
import type { Sandbox } from './sandbox.ts';
import type { PendingOptions } from './settle-changes.ts';
import type { ShellCommandOptions, ShellOptions } from './shell-command.ts';
import type { WatchOptions } from './watch.ts';

const trace = { traceparent: 'text', tracestate: 'text' } as const satisfies KindsOf<TraceContext>;

const claims = {
  name: 'text',
  declares: 'texts',
  limits: { timeoutMs: 'number', cpuMs: 'number', memoryBytes: 'number' },
  signatures: 'texts',
  certificate: 'bytes',
} as const satisfies KindsOf<CodeClaims>;

export const PLACE = {
  // What it may be is the policy book's to say.
  policy: 'given',
  workspace: 'text',
  accept: 'texts',
  allowUnisolated: 'boolean',
  tenant: 'text',
  recycleNetwork: 'boolean',
  claims,
  trace,
} as const satisfies KindsOf<PlaceOptions>;

export const NETWORK = {
  secrets: 'contentByName',
  ask: 'function',
  name: 'text',
  publish: 'object',
  onPublished: 'function',
} as const satisfies KindsOf<NetworkOptions>;

export const PENDING = {
  pending: ['keep', 'discard'],
} as const satisfies KindsOf<PendingOptions>;

export const EXEC = {
  cwd: 'text',
  env: 'textsByName',
  input: 'content',
  timeoutMs: 'number',
  signal: 'signal',
  trace,
} as const satisfies KindsOf<ExecOptions>;

export const SPAWN = {
  cwd: 'text',
  env: 'textsByName',
  timeoutMs: 'number',
  signal: 'signal',
  trace,
  pty: { rows: 'number', columns: 'number' },
  background: 'boolean',
} as const satisfies KindsOf<SpawnOptions>;

const wasm = {
  args: 'texts',
  env: 'textsByName',
  stdin: 'bytes',
  preopens: 'textsByName',
  fuel: 'fuel',
  deterministic: { seed: 'text' },
  certificate: 'bytes',
} as const satisfies KindsOf<WasmOptions>;

export const EVALUATE = {
  memoryBytes: 'number',
  cpuMs: 'number',
  timeoutMs: 'number',
  export: 'text',
  args: 'list',
  grants: 'object',
  keep: ['nothing', 'isolate', 'context'],
  placement: ['process', 'inline'],
  signal: 'signal',
  wasm,
  compileOnly: 'boolean',
} as const satisfies KindsOf<EvaluateOptions>;

export const EVALUATION = {
  ...EVALUATE,
  ...PLACE,
} as const satisfies KindsOf<EvaluateOptions & PlaceOptions>;

export const SHELL = {
  program: ['bash', 'sh'],
  outputBytes: 'number',
} as const satisfies KindsOf<ShellOptions>;

export const SHELL_COMMAND = {
  timeoutMs: 'number',
  signal: 'signal',
} as const satisfies KindsOf<ShellCommandOptions>;

export const PUBLISH = { port: 'number', host: 'text' } as const satisfies KindsOf<PublishOptions>;

export const CHANGES = { most: 'number' } as const satisfies KindsOf<ChangesOptions>;

export const CHANGES_PAGE = { after: 'text', limit: 'number' } as const satisfies KindsOf<
  Parameters<Sandbox['changesPage']>[0]
>;

export const APPLY = {
  skipProtected: 'boolean',
  only: 'texts',
  most: 'number',
} as const satisfies KindsOf<ApplyOptions>;

export const SNAPSHOT_OPEN = { signal: 'signal' } as const;

/** Of files inside, by the method that takes them. */
export const FILES = {
  read: { follow: 'boolean' },
  readStream: {
    follow: 'boolean',
    offset: 'number',
    length: 'number',
  } satisfies KindsOf<ReadStreamOptions>,
  write: { mode: 'number', append: 'boolean' },
  writeStream: {
    mode: 'number',
    exclusive: 'boolean',
  } satisfies KindsOf<WriteStreamOptions>,
  stat: { follow: 'boolean' },
  list: { most: 'number' },
  page: { after: 'number', limit: 'number' },
  mkdir: { recursive: 'boolean', mode: 'number' },
  remove: { recursive: 'boolean', withinMs: 'number' },
  watch: {
    intervalMs: 'number',
    recursive: 'boolean',
    most: 'number',
    signal: 'signal',
  } satisfies KindsOf<WatchOptions>,
} as const;

const FORK = {
  labels: 'textsByName',
  priority: 'number',
  queueTimeoutMs: 'number',
  ttlMs: 'number',
  idleTimeoutMs: 'number',
  signal: 'signal',
} as const satisfies KindsOf<ManagedForkOptions>;

const { idleTimeoutMs, ...ofEach } = FORK;
const MANAGED_EACH = {
  ...PLACE,
  ...NETWORK,
  ...ofEach,
} as const satisfies KindsOf<ManagedOptions>;
const { background: _, ...spawned } = SPAWN;

/** Of what a manager makes. */
export const MANAGED = {
  each: MANAGED_EACH,
  run: { ...EXEC, ...PENDING, ...MANAGED_EACH } satisfies KindsOf<ManagedRunOptions>,
  spawn: { ...spawned, ...PENDING, ...MANAGED_EACH } satisfies KindsOf<ManagedSpawnOptions>,
  create: { ...MANAGED_EACH, idleTimeoutMs } satisfies KindsOf<ManagedCreateOptions>,
  fork: FORK,
  filter: {
    state: 'any',
    labels: 'textsByName',
    tenant: 'text',
  } satisfies KindsOf<ManagedFilter>,
} as const;

export const POOL = {
  concurrency: 'any',
  cpuMillicores: 'any',
  memoryBytes: 'any',
  processes: 'any',
  diskBytes: 'any',
} as const satisfies KindsOf<PoolLimits>;

export const MANAGER = {
  pool: POOL,
  perTenant: 'any',
  weight: 'function',
  queue: { total: 'number', perTenant: 'number' },
  agingMs: 'number',
  warmSlots: 'number',
  keepEnded: 'number',
  lastly: 'function',
  observer: 'function',
  clock: having('monotonicMs', 'wallMs'),
  store: having('put', 'managers', 'close'),
} as const satisfies KindsOf<ManagerOptions>;

export const CLOSE_MANAGER = {
  mode: ['kill', 'drain'],
  timeoutMs: 'number',
  reason: 'text',
} as const satisfies KindsOf<CloseManagerOptions>;
