/** Telemetry that was told of everything that can be told, so that every series is there. */
import type { Outcome } from '../../../src/core/outcome.ts';
import type { ObservedEvent } from '../../../src/core/ports.ts';
import {
  type OpenTelemetry,
  openTelemetry,
} from '../../../src/observe/telemetry/open-telemetry.ts';
import type { TelemetrySettings } from '../../../src/observe/telemetry/settings.ts';

const nothing = { text: '', bytes: new Uint8Array(), totalBytes: 0, truncated: false };

export function outcomeOf(wall: string, over: Partial<Outcome> = {}): Outcome {
  return {
    kind: 'exited',
    code: 0,
    stdout: nothing,
    stderr: nothing,
    limitsHit: [],
    violations: [],
    usage: {
      wallMs: 40,
      cpuUserMs: 1,
      cpuSystemMs: 1,
      memoryPeakBytes: 1,
      memoryPeakSource: 'cgroup',
    },
    timing: { launchMs: 2, runMs: 40, teardownMs: 3 },
    wall,
    wallReason: '',
    policyDigest: 'd',
    auditId: 'run_1',
    accepted: [],
    leftBehind: 0,
    ...over,
  };
}

const violation = { kind: 'syscall', reason: 'no', details: {} } as const;
const admission = { decision: 'refused', score: 95 } as const;

export const everyEvent: readonly ObservedEvent[] = [
  {
    kind: 'created',
    id: 'h',
    policy: 'strict (host)',
    policyDigest: 'd',
    wall: 'process',
    accepted: [],
  },
  { kind: 'started', id: 'h', argv: ['node'] },
  { kind: 'ended', id: 'h', argv: ['node'], outcome: outcomeOf('process', { kind: 'killed' }) },
  { kind: 'destroyed', id: 'h', leftBehind: 3 },
  { kind: 'created', id: 'r', policy: 'strict', policyDigest: 'd', wall: 'process', accepted: [] },
  { kind: 'started', id: 'r', tenant: 'acme', argv: ['sh', 'SECRET'] },
  { kind: 'violation', id: 'r', tenant: 'acme', violation: { ...violation, count: 2 } },
  { kind: 'limit', id: 'r', tenant: 'acme', limit: 'wall-time' },
  { kind: 'ended', id: 'r', tenant: 'acme', argv: ['sh', 'SECRET'], outcome: outcomeOf('process') },
  { kind: 'destroyed', id: 'r', tenant: 'acme', leftBehind: 2 },
  { kind: 'started', id: 'e', argv: ['javascript', 'main', 'x'] },
  { kind: 'ended', id: 'e', argv: ['javascript', 'main', 'x'], outcome: outcomeOf('isolate') },
  { kind: 'refused', id: 'q', code: 'COMMAND_NOT_FOUND', message: 'SECRET is not there' },
  { kind: 'refused', id: 'q', code: 'words of somebody', message: '' },
  { kind: 'admission', id: 'a', subject: 'SECRET', admission },
  { kind: 'module', id: 'm', action: 'registered', module: 'SECRET@1.0.0', digest: 'd' },
  { kind: 'network', id: 'n', target: 'SECRET:443', allowed: false, rule: '', details: {} },
  { kind: 'network-changed', id: 'n', policyDigest: 'd', from: {}, to: {} },
  { kind: 'state', id: 's', state: 'running' },
  { kind: 'alert', id: 's', threshold: 'SECRET', value: 1 },
  { kind: 'started', id: 'still', argv: ['sleep'] },
];

export async function everySeries(settings: TelemetrySettings = {}): Promise<OpenTelemetry> {
  const telemetry = await openTelemetry(settings, {});
  for (const event of everyEvent) telemetry.observer(event);
  telemetry.begin('caisson.run').end();
  const attributes = {
    'http.request.method': 'GET',
    'http.route': '/api/sandboxes',
    'http.response.status_code': 200,
  };
  telemetry.begin('GET /api/sandboxes', { kind: 'server', attributes }).end();
  telemetry.watch({
    pool: () => ({
      running: 2,
      waiting: 1,
      used: { memoryBytes: 2048 },
      capacity: { memoryBytes: 4096, concurrency: 8 },
    }),
    audit: () => ({ state: 'open', waiting: 3, lost: 0 }),
    usage: async () => ({
      sandboxes: 2,
      waiting: 1,
      memoryBytes: 1024,
      processes: 5,
      rates: { cpuCores: 1.5 },
    }),
  });
  return telemetry;
}

/** Names and types of the families in a text. */
export function familiesIn(text: string): Map<string, string> {
  return new Map(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]),
  );
}
