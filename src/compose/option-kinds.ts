/** The options of a Caisson, and of which kind each is. */
import type { CaissonOptions, PrepareOptions } from '../compose.ts';
import { having, type KindsOf } from '../policy/known-options.ts';
import { EXEC, NETWORK, PENDING, PLACE, SPAWN } from '../sandbox/option-kinds.ts';
import type { CaissonAdmissionOptions } from './admission-options.ts';
import type { CreateOptions, RunOptions, SpawnRunOptions } from './requests.ts';

const admission = {
  trust: 'text',
  analyze: 'function',
  clock: 'function',
  timeLimitMs: 'number',
} as const satisfies KindsOf<CaissonAdmissionOptions>;

export const CAISSON = {
  environment: 'object',
  stateDirectory: 'text',
  facts: 'object',
  observer: 'function',
  nameServers: 'texts',
  ask: 'function',
  audit: having('observer', 'ready'),
  admission,
  telemetry: having('begin', 'within', 'apart'),
} as const satisfies KindsOf<CaissonOptions>;

export const CREATE = { ...PLACE, ...NETWORK } as const satisfies KindsOf<CreateOptions>;

export const RUN = { ...EXEC, ...CREATE, ...PENDING } as const satisfies KindsOf<RunOptions>;

export const SPAWN_RUN = {
  ...SPAWN,
  ...CREATE,
  ...PENDING,
} as const satisfies KindsOf<SpawnRunOptions>;

export const PREPARE = {
  ...PLACE,
  slots: 'number',
  command: 'text',
} as const satisfies KindsOf<PrepareOptions>;
