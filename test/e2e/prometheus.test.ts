/** A real Prometheus scrapes what a real Caisson did, and its alert for a leak fires where one is planted. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Caisson } from '../../src/compose.ts';
import { AuditLog } from '../../src/observe/audit/audit-log.ts';
import { type OpenTelemetry, openTelemetry } from '../../src/observe/telemetry/open-telemetry.ts';
import { prometheusSkip } from '../observe/telemetry/prometheus-programs.ts';
import { PrometheusServer } from '../observe/telemetry/prometheus-server.ts';

const rules = join(import.meta.dirname, '../../packaging/deploy/prometheus/alerts.yaml');

async function serve(telemetry: OpenTelemetry): Promise<Server> {
  const server = createServer(async (_request, response) => {
    const text = await telemetry.renderMetrics();
    response.setHeader('content-type', telemetry.metricsContentType).end(text);
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  return server;
}

test('Prometheus scrapes it, and the alert for a leak fires', {
  skip: prometheusSkip,
}, async (t) => {
  const base = mkdtempSync(join(tmpdir(), 'caisson-'));
  t.after(() => rmSync(base, { recursive: true }));
  await using telemetry = await openTelemetry({}, {});
  await using audit = await AuditLog.open({ directory: join(base, 'log') });
  await using caisson = await Caisson.open({ telemetry, audit, stateDirectory: base });
  await using manager = await caisson.manager();
  using _ = telemetry.watch({ pool: () => manager.load(), audit: () => audit.status });
  const server = await serve(telemetry);
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await using prometheus = await PrometheusServer.open({ target, rules });
  const one = async (expression: string): Promise<number | undefined> => {
    const found = await prometheus.query(expression);
    assert.ok(found.length <= 1, JSON.stringify(found));
    return found[0]?.value;
  };

  await caisson.run(['true']);
  await caisson.run(['sleep', '9'], { timeoutMs: 30 });
  await manager.run(['sh', '-c', 'exit 3']);
  await caisson.evaluate('javascript', 'export default () => 1');
  await assert.rejects(caisson.run(['no-such-command']));
  await prometheus.until(
    'what ran is there',
    async () =>
      (await one('caisson_evaluations_total')) === 1 &&
      // The last of all: a look may come between the two.
      (await one('caisson_refusals_total{error_type="COMMAND_NOT_FOUND"}')) === 1,
  );
  const runs =
    'sum(caisson_run_duration_seconds_count{caisson_wall="process"}) by (caisson_outcome_kind)';
  const byKind = (await prometheus.query(runs)).map(({ metric, value }) => [
    metric.caisson_outcome_kind,
    value,
  ]);
  assert.deepEqual(Object.fromEntries(byKind), { exited: 2, 'timed-out': 1 });
  assert.equal(await one('caisson_refusals_total{error_type="COMMAND_NOT_FOUND"}'), 1);
  assert.equal(await one('caisson_limits_hit_total{caisson_limit="wall-time"}'), 1);
  assert.equal(await one('caisson_pool_running'), 0);
  assert.equal(await one('caisson_audit_writable'), 1);
  assert.equal(await one('caisson_leaks_total'), 0);
  assert.equal((await one('caisson_hosts')) === undefined, false);
  const quantile = 'histogram_quantile(0.5, sum(caisson_run_duration_seconds_bucket) by (le))';
  assert.ok(((await one(quantile)) ?? 0) > 0);
  // A look that took too long, as on a machine that stops now and then, is followed by one that did not.
  await prometheus.until(
    'a look at it succeeds',
    async () => (await prometheus.lastError()) === '' && (await one('up{job="caisson"}')) === 1,
  );
  assert.equal(await one('count(target_info{service_name="caisson"})'), 1);
  assert.deepEqual(await prometheus.firing(), []);

  // A guest that leaves a process, as a daemon does: the launcher finds it, ends it and says so.
  const { leftBehind } = await caisson.run([
    'sh',
    '-c',
    'setsid sleep 60 >/dev/null 2>&1 & exit 0',
  ]);
  assert.ok(leftBehind > 0);
  await prometheus.until('the alert fires', async () =>
    (await prometheus.firing()).includes('CaissonLeak'),
  );
  assert.deepEqual(await prometheus.firing(), ['CaissonLeak']);
  assert.equal(await one('caisson_leaks_total'), 1);
});
