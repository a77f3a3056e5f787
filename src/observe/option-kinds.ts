/** The options of what looks on, and of which kind each is. */
import { having, type KindsOf } from '../policy/known-options.ts';
import type { AuditOptions } from './audit/audit-options.ts';
import type { RecordFilter } from './audit/read-log.ts';
import type { VerifyOptions } from './audit/verify-log.ts';
import type { AlertOptions, SamplesOptions } from './monitor/monitor.ts';
import type { OpenTelemetryOptions } from './telemetry/open-telemetry.ts';
import type { Sources } from './telemetry/sources.ts';

/** What their values may be is their schema's to say. */
export const AUDIT = {
  directory: 'text',
  key: 'text',
  checkpointEvery: { records: 'number', seconds: 'number' },
  fsync: ['always', 'interval', 'never'],
  fsyncSeconds: 'number',
  rotate: { bytes: 'number', seconds: 'number' },
  keep: { files: 'number', seconds: 'number' },
  ship: 'list',
  queue: { records: 'number', whenFull: ['fail', 'block'] },
  lines: 'boolean',
  secrets: 'function',
  lockSeconds: 'number',
} as const satisfies KindsOf<AuditOptions>;

export const AUDIT_CLOCK = having('wall', 'monotonic');

export const RECORD_FILTER = {
  events: 'texts',
  run: 'text',
  tenant: 'text',
  since: 'bigint',
  until: 'bigint',
} as const satisfies KindsOf<RecordFilter>;

export const VERIFY_LOG = {
  path: 'text',
  key: 'key',
  log: 'text',
  expectHead: { seq: 'number', hash: 'text' },
  checkpoints: 'text',
  from: 'object',
  stopAtFirst: 'boolean',
  onCheckpoint: 'function',
} as const satisfies KindsOf<VerifyOptions>;

export const SAMPLES = {
  everyMs: 'number',
  signal: 'signal',
} as const satisfies KindsOf<SamplesOptions>;

export const ALERTS = {
  thresholds: 'list',
  everyMs: 'number',
  onAlert: 'function',
} as const satisfies KindsOf<AlertOptions>;

export const TELEMETRY = {
  traces: 'boolean',
  metrics: 'boolean',
  logs: 'boolean',
  prometheus: 'boolean',
  endpoint: 'text',
  protocol: ['http/json', 'http/protobuf'],
  headers: 'textsByName',
  serviceName: 'text',
  resource: 'textsByName',
  sampleRatio: 'number',
  tenants: 'boolean',
  intoGuests: 'boolean',
  metricsEveryMs: 'number',
  exportTimeoutMs: 'number',
  shutdownMs: 'number',
  tracerProvider: having('getTracer'),
} as const satisfies KindsOf<OpenTelemetryOptions>;

export const SOURCES = {
  pool: 'function',
  audit: 'function',
  usage: 'function',
} as const satisfies KindsOf<Sources>;

export const SHIPPED_LOG = { directory: 'text', id: 'text' } as const;
