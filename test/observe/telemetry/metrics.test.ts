/** What is told becomes series, of which there are no more for what guests do. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openTelemetry } from '../../../src/observe/telemetry/open-telemetry.ts';
import { everySeries, familiesIn, outcomeOf } from './every-series.ts';
import { prometheusSkip, promtool } from './prometheus-programs.ts';

function valueIn(text: string, series: string): number | undefined {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length));
}

test('each event moves its series', async () => {
  await using telemetry = await everySeries();
  const text = await telemetry.renderMetrics();
  const expected: readonly (readonly [string, number])[] = [
    ['caisson_run_duration_seconds_count{caisson_wall="process",caisson_outcome_kind="exited"}', 1],
    [
      'caisson_run_duration_seconds_sum{caisson_wall="process",caisson_outcome_kind="exited"}',
      0.045,
    ],
    ['caisson_launch_duration_seconds_sum{caisson_wall="process"}', 0.002],
    ['caisson_launch_duration_seconds_bucket{caisson_wall="process",le="0.001"}', 0],
    ['caisson_launch_duration_seconds_bucket{caisson_wall="process",le="0.0025"}', 1],
    ['caisson_launch_duration_seconds_bucket{caisson_wall="process",le="+Inf"}', 1],
    ['caisson_teardown_duration_seconds_count{caisson_wall="process"}', 1],
    [
      'caisson_evaluations_total{caisson_wall="isolate",caisson_outcome_kind="exited",caisson_language="javascript"}',
      1,
    ],
    ['caisson_hosts_ended_total{caisson_outcome_kind="killed"}', 1],
    ['caisson_violations_total{caisson_violation_kind="syscall"}', 2],
    ['caisson_violations_total{caisson_violation_kind="file"}', 0],
    ['caisson_limits_hit_total{caisson_limit="wall-time"}', 1],
    ['caisson_refusals_total{error_type="COMMAND_NOT_FOUND"}', 1],
    ['caisson_refusals_total{error_type="_OTHER"}', 1],
    ['caisson_leaks_total', 1],
    ['caisson_destroyed_total', 2],
    ['caisson_admissions_total{caisson_admission_decision="refused"}', 1],
    ['caisson_threat_score_bucket{caisson_admission_decision="refused",le="90"}', 0],
    ['caisson_threat_score_bucket{caisson_admission_decision="refused",le="100"}', 1],
    ['caisson_modules_total{caisson_module_action="registered"}', 1],
    ['caisson_network_decisions_total{caisson_network_allowed="false"}', 1],
    ['caisson_sandbox_states_total{caisson_sandbox_state="running"}', 1],
    ['caisson_alerts_total', 1],
    ['caisson_operation_duration_seconds_count{caisson_operation="run"}', 1],
    [
      'http_server_request_duration_seconds_count{http_request_method="GET",http_route="/api/sandboxes",http_response_status_code="200"}',
      1,
    ],
    ['caisson_runs_active', 1],
    ['caisson_hosts', 0],
    ['caisson_pool_running', 2],
    ['caisson_pool_waiting', 1],
    ['caisson_pool_memory_bytes', 2048],
    ['caisson_pool_memory_limit_bytes', 4096],
    ['caisson_pool_limit', 8],
    ['caisson_audit_waiting', 3],
    ['caisson_audit_writable', 1],
    ['caisson_usage_memory_bytes', 1024],
    ['caisson_usage_cpu', 1.5],
  ];
  for (const [series, value] of expected) assert.equal(valueIn(text, series), value, series);
  assert.doesNotMatch(text, /SECRET|acme|words of somebody/);
});

test('promtool finds nothing to say about the text', { skip: prometheusSkip }, async () => {
  await using telemetry = await everySeries({ tenants: true });
  const input = await telemetry.renderMetrics();
  const checked = spawnSync(promtool ?? '', ['check', 'metrics'], { input, encoding: 'utf8' });
  assert.deepEqual([checked.status, checked.stdout, checked.stderr], [0, '', '']);
});

test('docs/telemetry.md lists every series, and no other', async () => {
  await using telemetry = await everySeries();
  const families = familiesIn(await telemetry.renderMetrics());
  families.delete('target_info');
  const written = readFileSync(join(import.meta.dirname, '../../../docs/telemetry.md'), 'utf8');
  const rows = [...written.matchAll(/^\| `([a-z_]+)` \| (counter|gauge|histogram) \|/gm)];
  const listed = rows.map(([, name = '', type = '']) => `${name} ${type}`).sort();
  // Counted with the first export that fails.
  families.set('caisson_telemetry_unsent_total', 'counter');
  assert.deepEqual(listed, [...families].map(([name, type]) => `${name} ${type}`).sort());
});

test('a tenant is a label where that is asked for, and there is an end to them', async () => {
  await using telemetry = await openTelemetry({ tenants: true }, {});
  for (let i = 0; i < 5000; i++) {
    telemetry.observer({ kind: 'alert', id: 'x', tenant: `t${i}`, threshold: '', value: 1 });
  }
  const text = await telemetry.renderMetrics();
  assert.equal(valueIn(text, 'caisson_alerts_total{caisson_tenant="t0"}'), 1);
  const series = text.split('\n').filter((line) => line.startsWith('caisson_alerts_total'));
  assert.ok(series.length <= 2000, `${series.length}`);
  assert.ok(series.some((line) => line.includes('otel_metric_overflow="true"')));
});

test('what clients send as a method is one label', async () => {
  await using telemetry = await openTelemetry({}, {});
  for (let i = 0; i < 50; i++) {
    const attributes = { 'http.request.method': `M${i}`, 'http.response.status_code': 405 };
    telemetry.begin('_', { kind: 'server', attributes }).end();
  }
  const series =
    'http_server_request_duration_seconds_count{http_request_method="_OTHER",http_response_status_code="405"}';
  assert.equal(valueIn(await telemetry.renderMetrics(), series), 50);
});

test('a run that ends or is refused is no longer counted as running, and neither is its host', async () => {
  await using telemetry = await openTelemetry({}, {});
  const { observer } = telemetry;
  const host = { policy: 'my host (host)', policyDigest: 'd', wall: 'process', accepted: [] };
  const named = { ...host, policy: 'my host' };
  observer({ kind: 'created', id: 'h', ...host });
  observer({ kind: 'started', id: 'h', argv: ['node'] });
  observer({ kind: 'created', id: 'a', ...named });
  for (const id of ['a', 'b', 'c']) observer({ kind: 'started', id, argv: ['true'] });
  observer({ kind: 'ended', id: 'a', argv: ['true'], outcome: outcomeOf('process') });
  observer({ kind: 'refused', id: 'b', code: 'LAUNCHER_GONE', message: '' });
  const text = await telemetry.renderMetrics();
  assert.equal(valueIn(text, 'caisson_runs_active'), 1);
  assert.equal(valueIn(text, 'caisson_hosts'), 1);
});

test('a source that throws or hangs costs its own figures alone', async () => {
  await using telemetry = await openTelemetry({}, {});
  telemetry.watch({
    pool: () => {
      throw new Error('closed');
    },
    usage: () => new Promise(() => {}),
    audit: () => ({ state: 'failed', waiting: 1, lost: 2 }),
  });
  const { promise, resolve } = Promise.withResolvers<never>();
  using _ = telemetry.watch({ usage: () => promise });
  const text = await telemetry.renderMetrics();
  resolve(undefined as never);
  assert.equal(valueIn(text, 'caisson_audit_writable'), 0);
  assert.equal(valueIn(text, 'caisson_audit_lost'), 2);
  assert.doesNotMatch(text, /caisson_(?:pool|usage)_/);
});

test('what is no longer watched is no longer told', async () => {
  await using telemetry = await openTelemetry({}, {});
  const watched = telemetry.watch({ audit: () => ({ state: 'open', waiting: 1, lost: 0 }) });
  assert.match(await telemetry.renderMetrics(), /^caisson_audit_waiting 1$/m);
  watched[Symbol.dispose]();
  assert.doesNotMatch(await telemetry.renderMetrics(), /caisson_audit/);
});

const cgroups = '/sys/fs/cgroup';
const isRoot = process.getuid?.() === 0;

test('a group of a launcher that is gone is seen', {
  skip: isRoot ? false : 'needs root',
}, async () => {
  await using telemetry = await openTelemetry({}, {});
  const hierarchy = ['pids', 'memory', '.'].map((name) => join(cgroups, name)).find(isWritable);
  assert.ok(hierarchy !== undefined);
  const gone = spawnSync('true').pid;
  const group = join(hierarchy, `caisson-${gone}`);
  let seen = 0;
  // A launcher that starts meanwhile removes it.
  for (let attempt = 0; attempt < 20 && seen === 0; attempt++) {
    mkdirSync(group, { recursive: true });
    seen = valueIn(await telemetry.renderMetrics(), 'caisson_left_over_groups') ?? 0;
  }
  try {
    assert.ok(seen >= 1);
  } finally {
    try {
      rmdirSync(group);
    } catch {}
  }
});

function isWritable(directory: string): boolean {
  const probe = join(directory, `probe-${process.pid}`);
  try {
    mkdirSync(probe);
    rmdirSync(probe);
    return true;
  } catch {
    return false;
  }
}

test('without Prometheus there is no text', async () => {
  await using telemetry = await openTelemetry({ prometheus: false }, {});
  assert.equal(await telemetry.renderMetrics(), '');
});
