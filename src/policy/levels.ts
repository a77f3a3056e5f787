/**
 * The five levels: presets over the same sets, never a second mechanism.
 *
 * A level says what a document leaves out; a key that the document names replaces the level's
 * value for that key, within the bounds below.
 */
import type { FilesystemView, Level, Limits, WallName } from './policy.ts';

/** From the weakest to the strongest. */
export const LEVEL_NAMES = ['none', 'basic', 'moderate', 'strict', 'paranoid'] as const;

export interface LevelPreset {
  /** Best first. */
  readonly walls: readonly WallName[];
  /** The walls that a policy of this level may name. */
  readonly mayUse: readonly WallName[];
  readonly view: FilesystemView;
  /** The level's answer for every key that a document may leave out. */
  readonly document: {
    readonly filesystem: Readonly<Record<'read' | 'write' | 'scratch', readonly string[]>>;
    readonly pass: readonly string[];
    readonly syscalls: 'default' | 'minimal' | 'all';
    readonly capabilities: 'none' | 'all';
    readonly network: 'none' | 'full';
  };
  readonly limits: Limits;
  /** Limits that cannot be lifted: without them the guest could exhaust the host. */
  readonly mustLimit: readonly (keyof Limits)[];
}

const MiB = 2 ** 20;
const GiB = 2 ** 30;
const SECOND = 1000;
const MINUTE = 60 * SECOND;

const NOT_LIMITED: Limits = {
  wallMs: null,
  cpuMs: null,
  memoryBytes: null,
  memoryHighBytes: null,
  cpuMillicores: null,
  cpuWeight: null,
  processes: null,
  openFiles: null,
  fileSizeBytes: null,
  // Kept in our own memory, so that not even the level none goes without.
  outputBytes: 64 * MiB,
  onOutputLimit: 'truncate',
  scratchBytes: null,
  readBytesPerSecond: null,
  writeBytesPerSecond: null,
  coreBytes: null,
  stackBytes: null,
};

/**
 * What a terminal program needs to speak and sort rightly; no secret lives in these.
 * HOME, USER and the like the plan makes up, since the caller's lead nowhere in a private root.
 */
const HARMLESS_NAMES = [
  'COLORTERM',
  'COLUMNS',
  'FORCE_COLOR',
  'LANG',
  'LANGUAGE',
  'LC_*',
  'LINES',
  'NO_COLOR',
  'PATH',
  'TERM',
  'TZ',
];

const HOST_ACCESS = {
  filesystem: { read: ['/', '.'], write: ['/', '.'], scratch: [] },
  pass: ['*'],
  syscalls: 'all',
  capabilities: 'all',
  network: 'full',
} as const;

const SEPARATE_ROOM = {
  pass: HARMLESS_NAMES,
  syscalls: 'default',
  capabilities: 'none',
  network: 'none',
} as const;

const PRIVATE_TMP = ['/tmp', '/var/tmp'];

const STRONG_WALLS = ['container', 'gvisor', 'microvm', 'enclave'] as const;

export const levels: Readonly<Record<Level, LevelPreset>> = {
  none: {
    walls: ['none'],
    mayUse: ['none', 'child', 'process', ...STRONG_WALLS, 'isolate', 'wasm'],
    view: 'host',
    document: HOST_ACCESS,
    limits: NOT_LIMITED,
    mustLimit: ['outputBytes'],
  },
  basic: {
    walls: ['child'],
    mayUse: ['child', 'process', ...STRONG_WALLS, 'isolate', 'wasm'],
    view: 'host',
    document: HOST_ACCESS,
    limits: {
      ...NOT_LIMITED,
      wallMs: 10 * MINUTE,
      memoryBytes: 4 * GiB,
      processes: 1024,
      openFiles: 4096,
      fileSizeBytes: 8 * GiB,
      outputBytes: 16 * MiB,
      coreBytes: 0,
    },
    mustLimit: ['outputBytes'],
  },
  moderate: {
    walls: ['process'],
    mayUse: ['process', ...STRONG_WALLS, 'isolate', 'wasm'],
    view: 'system',
    document: {
      ...SEPARATE_ROOM,
      filesystem: { read: ['.'], write: ['.'], scratch: PRIVATE_TMP },
    },
    limits: {
      ...NOT_LIMITED,
      wallMs: 10 * MINUTE,
      memoryBytes: 4 * GiB,
      processes: 512,
      openFiles: 4096,
      fileSizeBytes: 4 * GiB,
      outputBytes: 8 * MiB,
      scratchBytes: GiB,
      coreBytes: 0,
      stackBytes: 8 * MiB,
    },
    mustLimit: ['processes', 'outputBytes'],
  },
  strict: {
    walls: ['process', 'container'],
    mayUse: ['process', ...STRONG_WALLS, 'isolate', 'wasm'],
    view: 'system',
    document: {
      ...SEPARATE_ROOM,
      filesystem: { read: [], write: [], scratch: PRIVATE_TMP },
    },
    limits: {
      ...NOT_LIMITED,
      wallMs: MINUTE,
      memoryBytes: 512 * MiB,
      cpuMillicores: 1000,
      processes: 128,
      openFiles: 1024,
      fileSizeBytes: 256 * MiB,
      outputBytes: MiB,
      scratchBytes: 64 * MiB,
      coreBytes: 0,
      stackBytes: 8 * MiB,
    },
    mustLimit: [
      'memoryBytes',
      'processes',
      'openFiles',
      'scratchBytes',
      'outputBytes',
      'coreBytes',
    ],
  },
  paranoid: {
    walls: ['microvm', 'gvisor'],
    mayUse: ['microvm', 'gvisor', 'enclave'],
    view: 'named',
    document: {
      ...SEPARATE_ROOM,
      pass: [],
      filesystem: { read: [], write: [], scratch: PRIVATE_TMP },
    },
    limits: {
      ...NOT_LIMITED,
      wallMs: 30 * SECOND,
      cpuMs: 30 * SECOND,
      memoryBytes: 256 * MiB,
      cpuMillicores: 1000,
      processes: 64,
      openFiles: 256,
      fileSizeBytes: 64 * MiB,
      outputBytes: MiB / 4,
      scratchBytes: 32 * MiB,
      coreBytes: 0,
      stackBytes: 8 * MiB,
    },
    mustLimit: [
      'wallMs',
      'memoryBytes',
      'cpuMillicores',
      'processes',
      'openFiles',
      'fileSizeBytes',
      'scratchBytes',
      'outputBytes',
      'coreBytes',
    ],
  },
};
