/** The service's telemetry: a trace of each request over OTLP, figures at /metrics, scraped by a real Prometheus. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WireOutcome } from '../../src/api/outcome.ts';
import { OtlpReceiver } from '../observe/telemetry/otlp-receiver.ts';
import { prometheusSkip } from '../observe/telemetry/prometheus-programs.ts';
import { PrometheusServer } from '../observe/telemetry/prometheus-server.ts';
import { served } from './served.ts';

const rules = join(import.meta.dirname, '../../packaging/deploy/prometheus/alerts.yaml');
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';
const ofClient = { traceparent: `00-${TRACE}-${CALLER}-01`, tracestate: 'vendor=v1' };

test('a request is a trace below its client’s, and every step is below the request', async () => {
  await using receiver = await OtlpReceiver.open();
  const service = await served({ telemetry: { otlp: { endpoint: receiver.url } } });
  const key = await service.key('developer');
  const ran = await service.ask('POST', '/api/runs', {
    key,
    headers: ofClient,
    body: { argv: ['sh', '-c', 'echo $TRACEPARENT', 'SECRET-WORD'] },
  });
  assert.equal(ran.status, 200, ran.text);
  const evaluated = await service.ask('POST', '/api/evaluations', {
    key,
    body: { language: 'javascript', source: 'export default () => 1' },
  });
  assert.equal(evaluated.status, 200, evaluated.text);
  assert.equal((await service.ask('GET', '/api/sandboxes/SECRET-ID')).status, 401);
  assert.equal((await service.ask('GET', '/nothing/SECRET-PATH')).status, 404);
  await service[Symbol.asyncDispose]();

  const request = receiver.span('POST /api/runs');
  assert.deepEqual([request.traceId, request.parentSpanId, request.kind], [TRACE, CALLER, 2]);
  assert.equal(request.attributes['http.request.method'], 'POST');
  assert.equal(request.attributes['http.route'], '/api/runs');
  assert.equal(request.attributes['http.response.status_code'], 200);
  assert.equal(request.attributes['caisson.tenant'], 'acme');
  assert.equal(request.attributes['caisson.request.id'], ran.headers.get('x-request-id'));
  const run = receiver.span('caisson.run', request);
  for (const step of ['admission', 'plan', 'launch', 'guest', 'destroy']) {
    receiver.span(`caisson.${step}`, run);
  }
  const told = (ran.body as WireOutcome).stdout.text;
  assert.equal(told, `00-${TRACE}-${run.spanId}-01\n`);
  const evaluation = receiver.span('caisson.evaluate', receiver.span('POST /api/evaluations'));
  receiver.span('caisson.guest', evaluation);
  const refused = receiver.span('GET /api/sandboxes/{id}');
  assert.equal(refused.attributes['http.response.status_code'], 401);
  assert.equal(refused.attributes['caisson.tenant'], undefined);
  assert.doesNotMatch(JSON.stringify(receiver.spans), /SECRET/);
  const recorded = receiver.records.filter(({ eventName }) => eventName === 'caisson.destroyed');
  assert.equal(
    recorded.some(
      ({ attributes }) => attributes['caisson.run'] === run.attributes['caisson.audit.id'],
    ),
    true,
  );
  assert.ok(receiver.metrics.has('http.server.request.duration'));
});

test('in protobuf where the configuration says so', async () => {
  await using receiver = await OtlpReceiver.open();
  receiver.answers = 400; // it reads JSON alone, and what is refused is not sent again
  const otlp = { endpoint: receiver.url, protocol: 'http/protobuf' } as const;
  const service = await served({ telemetry: { otlp } });
  assert.equal((await service.ask('GET', '/nothing')).status, 404);
  await service[Symbol.asyncDispose]();
  const types = receiver.headers.map((headers) => headers['content-type']);
  assert.ok(types.length > 0);
  assert.deepEqual([...new Set(types)], ['application/x-protobuf']);
});

describe('/metrics', () => {
  test('is for operators, unless it is open or off', async () => {
    await using scoped = await served();
    const ask = async (service: typeof scoped, key?: string) =>
      await service.ask('GET', '/metrics', { key });
    assert.equal((await ask(scoped)).status, 401);
    // Of every tenant together: no tenant's own key, and none that its admin makes.
    const admin = await scoped.key('admin');
    assert.equal((await ask(scoped, admin)).status, 403);
    const make = (key: string) =>
      scoped.ask('POST', '/api/access/keys', { key, body: { scopes: ['metrics:read'] } });
    assert.equal((await make(admin)).status, 403);
    const made = await make(await scoped.key('operator'));
    assert.equal(made.status, 201, made.text);
    const scraper = (made.body as { token: string }).token;
    assert.equal((await ask(scoped, scraper)).status, 200);
    assert.equal((await scoped.ask('GET', '/api/sandboxes', { key: scraper })).status, 403);
    const { status, headers, text } = await ask(scoped, await scoped.key('operator'));
    assert.equal(status, 200);
    assert.equal(headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    assert.match(text, /^caisson_audit_writable 1$/m);
    assert.match(text, /^caisson_pool_running 0$/m);
    assert.match(
      text,
      /^http_server_request_duration_seconds_count\{http_request_method="GET",http_route="\/metrics",http_response_status_code="401"\} 1$/m,
    );
    await using open = await served({ telemetry: { metrics: 'open' } });
    assert.equal((await ask(open)).status, 200);
    await using off = await served({ telemetry: { metrics: 'off' } });
    assert.equal((await ask(off, await off.key('operator'))).status, 404);
  });

  test('has what sandboxes use, together', async () => {
    await using service = await served();
    const key = await service.key('developer');
    const scraper = await service.keyOfScopes(['metrics:read']);
    const figures = async (): Promise<Record<string, number>> => {
      const { text } = await service.ask('GET', '/metrics', { key: scraper });
      const rows = text.matchAll(/^caisson_usage_(\w+)(\{.*\})? (\S+)$/gm);
      return Object.fromEntries([...rows].map(([, name = '', , value]) => [name, Number(value)]));
    };
    assert.equal((await figures()).sandboxes, 0);
    const made: string[] = [];
    for (const policy of ['strict', 'strict']) {
      const { body, status, text } = await service.ask('POST', '/api/sandboxes', {
        key,
        body: { policy },
      });
      assert.equal(status, 201, text);
      made.push((body as { id: string }).id);
    }
    const busy = ['sh', '-c', 'while :; do :; done'];
    const spins = service.ask('POST', `/api/sandboxes/${made[0]}/exec`, {
      key,
      body: { argv: busy },
    });
    let found: Record<string, number> = {};
    for (let tries = 0; tries < 40 && !(Number(found.cpu) > 0.1); tries++) {
      await sleep(250);
      found = await figures();
    }
    assert.equal(found.sandboxes, 2);
    assert.ok(Number(found.cpu) > 0.1, JSON.stringify(found));
    assert.ok(Number(found.memory_bytes) > 0);
    assert.ok(Number(found.processes) >= 1);
    const { text } = await service.ask('GET', '/metrics', { key: scraper });
    for (const id of made) assert.ok(!text.includes(id), 'no label names a sandbox');
    for (const id of made) await service.ask('DELETE', `/api/sandboxes/${id}`, { key });
    await spins;
  });

  test('Prometheus scrapes the service, and the alert for a leak fires', {
    skip: prometheusSkip,
  }, async () => {
    await using service = await served();
    const key = await service.key('developer');
    const scraper = await service.keyOfScopes(['metrics:read']);
    const target = new URL(service.address).host;
    await using prometheus = await PrometheusServer.open({ target, rules, key: scraper });
    const value = async (expression: string): Promise<number | undefined> =>
      (await prometheus.query(expression))[0]?.value;
    const run = (...argv: string[]) => service.ask('POST', '/api/runs', { key, body: { argv } });
    await run('true');
    await prometheus.until(
      'the run is there',
      async () => (await value('caisson_run_duration_seconds_count')) === 1,
    );
    assert.equal(await prometheus.lastError(), '');
    assert.equal(
      await value('http_server_request_duration_seconds_count{http_route="/api/runs"}'),
      1,
    );
    assert.deepEqual(await prometheus.firing(), []);
    const leak = await run('sh', '-c', 'setsid sleep 60 >/dev/null 2>&1 & exit 0');
    assert.ok((leak.body as WireOutcome).leftBehind > 0, leak.text);
    await prometheus.until('the alert fires', async () =>
      (await prometheus.firing()).includes('CaissonLeak'),
    );
  });
});
