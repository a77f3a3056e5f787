/** The options of what looks at code and its signatures, and of which kind each is. */
import { having, type KindsOf } from '../policy/known-options.ts';
import { WALL_NAMES } from '../policy/policy.ts';
import type { ScanOptions } from './scan/scan-options.ts';
import type { VerifyOptions } from './signing/verify.ts';

export const SCAN = {
  profile: ['effect', 'package'],
  declares: 'texts',
  trustManifest: 'boolean',
  threshold: 'number',
  listFrom: 'number',
  model: 'boolean',
  waivers: 'list',
  now: 'number',
  store: having('analysis', 'keepAnalyses', 'record'),
  threads: { threads: 'number', timeLimitMs: 'number', memoryMb: 'number', worker: 'object' },
  run: { command: 'texts', directory: 'text', behave: 'function' },
  onEvent: 'function',
  signal: 'signal',
} as const satisfies KindsOf<ScanOptions>;

export const VERIFY_SIGNED = {
  by: 'texts',
  wall: WALL_NAMES,
} as const satisfies KindsOf<VerifyOptions>;
