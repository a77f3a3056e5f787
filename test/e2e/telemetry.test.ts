/** Traces, metrics and logs as a collector receives them over OTLP. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Caisson } from '../../src/compose.ts';
import { traced } from '../../src/core/telemetry.ts';
import { AuditLog } from '../../src/observe/audit/audit-log.ts';
import {
  type OpenTelemetry,
  type OpenTelemetryOptions,
  openTelemetry,
} from '../../src/observe/telemetry/open-telemetry.ts';
import { OtlpReceiver, type ReceivedSpan } from '../observe/telemetry/otlp-receiver.ts';

const STEPS = ['caisson.admission', 'caisson.plan', 'caisson.launch', 'caisson.guest'];
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';
const trace = { traceparent: `00-${TRACE}-${CALLER}-01`, tracestate: 'vendor=v1' };

function open(receiver: OtlpReceiver, options: OpenTelemetryOptions = {}): Promise<OpenTelemetry> {
  return openTelemetry({ traces: true, endpoint: receiver.url, ...options }, {});
}

function within(inner: ReceivedSpan, outer: ReceivedSpan): void {
  // A clock of milliseconds and one of the launcher: they may differ by their grain.
  const slack = 2_000_000n;
  assert.ok(BigInt(inner.startTimeUnixNano) + slack >= BigInt(outer.startTimeUnixNano), inner.name);
  assert.ok(BigInt(inner.endTimeUnixNano) <= BigInt(outer.endTimeUnixNano) + slack, inner.name);
}

test('a run is a trace: every step is a span below the request, and the guest knows its place', async () => {
  await using receiver = await OtlpReceiver.open();
  await using telemetry = await open(receiver, { serviceName: 'the-test' });
  await using caisson = await Caisson.open({ telemetry });
  const argv = ['sh', '-c', 'echo $TRACEPARENT $TRACESTATE; exit 3', 'WORD-OF-ARGV'];
  const env = { SECRET: 'VALUE-OF-ENV' };
  const outcome = await caisson.run(argv, { trace, env, tenant: 'acme' });
  await telemetry.flush();

  const run = receiver.span('caisson.run');
  assert.equal(receiver.resource['service.name'], 'the-test');
  assert.equal(run.traceId, TRACE);
  assert.equal(run.parentSpanId, CALLER);
  assert.equal(run.traceState, 'vendor=v1');
  for (const name of [...STEPS, 'caisson.destroy']) {
    const step = receiver.span(name, run);
    assert.equal(step.traceId, TRACE);
    within(step, run);
  }
  assert.equal(receiver.spans.length, 6);
  assert.equal(run.attributes['process.exit.code'], 3);
  assert.equal(run.attributes['process.args_count'], 4);
  assert.equal(run.attributes['caisson.tenant'], 'acme');
  assert.equal(run.attributes['caisson.outcome.kind'], 'exited');
  assert.equal(run.attributes['caisson.wall'], outcome.wall);
  assert.equal(run.attributes['caisson.policy.digest'], outcome.policyDigest);
  assert.equal(run.attributes['caisson.audit.id'], outcome.auditId);
  const admission = receiver.span('caisson.admission');
  assert.equal(admission.attributes['caisson.admission.decision'], 'unchecked');
  const [launch, guest, destroy] = ['caisson.launch', 'caisson.guest', 'caisson.destroy'].map(
    (name) => receiver.span(name),
  ) as [ReceivedSpan, ReceivedSpan, ReceivedSpan];
  assert.equal(launch.endTimeUnixNano, guest.startTimeUnixNano);
  assert.equal(guest.endTimeUnixNano, destroy.startTimeUnixNano);
  assert.equal(outcome.stdout.text, `00-${TRACE}-${run.spanId}-01 vendor=v1\n`);
  assert.doesNotMatch(JSON.stringify(receiver.spans), /WORD-OF-ARGV|VALUE-OF-ENV|TRACEPARENT/);
});

test('an evaluation is a trace, and the host that it stands in is no part of it once it runs', async () => {
  await using receiver = await OtlpReceiver.open();
  await using telemetry = await open(receiver);
  await using caisson = await Caisson.open({ telemetry });
  const source = 'export default (a) => a + 1';
  const { value } = await caisson.evaluate('javascript', source, { args: [41] });
  assert.equal(value, 42);
  await telemetry.flush();
  const request = receiver.span('caisson.evaluate');
  assert.equal(request.parentSpanId, undefined);
  for (const name of ['caisson.admission', 'caisson.launch', 'caisson.guest']) {
    within(receiver.span(name, request), request);
  }
  assert.equal(request.attributes['caisson.wall'], 'isolate');
  assert.equal(request.attributes['process.exit.code'], 0);
  const hosts = receiver.spans.filter(({ name }) => name === 'caisson.host');
  assert.ok(hosts.length >= 1 && hosts.every((host) => host.parentSpanId === request.spanId));
  assert.ok(hosts.every((host) => host.attributes['caisson.engine'] === 'isolate'));
  receiver.span('caisson.plan', hosts[0]);

  // What a host does after it was started belongs to no evaluation, nor is it told of any.
  receiver.spans.length = 0;
  await caisson.evaluate('javascript', source, { args: [1] });
  await telemetry.flush();
  const names = receiver.spans.map(({ name }) => name).filter((name) => name !== 'caisson.host');
  assert.deepEqual(names.filter((name) => name !== 'caisson.plan').sort(), [
    'caisson.admission',
    'caisson.evaluate',
    'caisson.guest',
    'caisson.launch',
  ]);
  assert.doesNotMatch(JSON.stringify(receiver.spans), /export default/);
});

test('a sandbox that stays: its commands are below what made it, or below who asks', async () => {
  await using receiver = await OtlpReceiver.open();
  await using telemetry = await open(receiver);
  await using caisson = await Caisson.open({ telemetry });
  const sandbox = await caisson.create();
  await sandbox.exec(['true']);
  const { stdout } = await traced(telemetry, 'the-caller', {}, () =>
    sandbox.exec(['sh', '-c', 'echo $TRACEPARENT']),
  );
  await sandbox.spawn(['true']).outcome;
  await sandbox.exec(['true'], { trace });
  await sandbox.close();
  await telemetry.flush();
  const created = receiver.span('caisson.create');
  assert.equal(created.attributes['caisson.sandbox.id'], sandbox.id);
  receiver.span('caisson.plan', created);
  receiver.span('caisson.launch', created);
  const first = receiver.span('caisson.exec', created);
  for (const name of ['caisson.launch', 'caisson.guest', 'caisson.destroy'])
    receiver.span(name, first);
  receiver.span('caisson.guest', receiver.span('caisson.spawn', created));
  const asked = receiver.span('caisson.exec', receiver.span('the-caller'));
  assert.equal(stdout.text, `00-${asked.traceId}-${asked.spanId}-01\n`);
  const close = receiver.span('caisson.close', created);
  receiver.span('caisson.destroy', close);
  const far = receiver.spans.find(({ parentSpanId }) => parentSpanId === CALLER);
  assert.equal(far?.traceId, TRACE);
});

test('spawn ends its span with the guest; what goes wrong is a code, not a sentence', async () => {
  await using receiver = await OtlpReceiver.open();
  await using telemetry = await open(receiver);
  await using caisson = await Caisson.open({ telemetry });
  const guest = await caisson.spawn(['cat']);
  await telemetry.flush();
  assert.equal(
    receiver.spans.some(({ name }) => name === 'caisson.spawn'),
    false,
  );
  guest.stdin.end();
  await guest.outcome;
  await assert.rejects(caisson.run(['no-such-SECRET-WORD']), { code: 'COMMAND_NOT_FOUND' });
  await telemetry.flush();
  const spawn = receiver.span('caisson.spawn');
  for (const name of [...STEPS, 'caisson.destroy']) receiver.span(name, spawn);
  const run = receiver.span('caisson.run');
  assert.equal(run.attributes['error.type'], 'COMMAND_NOT_FOUND');
  assert.deepEqual(run.status, {
    code: 2,
    message: 'the command is not there inside the sandbox',
  });
  assert.equal(receiver.span('caisson.launch', run).attributes['error.type'], 'COMMAND_NOT_FOUND');
  assert.doesNotMatch(JSON.stringify(receiver.spans), /SECRET-WORD/);
});

test('modules: what is registered and executed', async (t) => {
  await using receiver = await OtlpReceiver.open();
  await using telemetry = await open(receiver);
  const state = mkdtempSync(join(tmpdir(), 'caisson-'));
  t.after(() => rmSync(state, { recursive: true }));
  await using caisson = await Caisson.open({ telemetry, stateDirectory: state });
  await using modules = await caisson.modules();
  const code = 'export default () => 7';
  await modules.register({ id: 'seven', version: '1.0.0', kind: 'js', code });
  await modules.execute('seven');
  await telemetry.flush();
  const registered = receiver.span('caisson.module.register');
  assert.equal(registered.attributes['caisson.module.id'], 'seven');
  assert.equal(registered.attributes['caisson.admission.decision'], 'admitted');
  const executed = receiver.span('caisson.module.execute');
  assert.equal(executed.attributes['caisson.module.version'], '1.0.0');
  const evaluate = receiver.span('caisson.evaluate', executed);
  assert.equal(
    receiver.span('caisson.admission', evaluate).attributes['caisson.admission.decision'],
    'admitted',
  );
});

test('without traces nothing is told to a guest, and nobody is sent anything', async () => {
  await using receiver = await OtlpReceiver.open();
  await using telemetry = await openTelemetry({ endpoint: receiver.url }, {});
  await using caisson = await Caisson.open({ telemetry });
  const { stdout } = await caisson.run(['sh', '-c', 'env'], { trace });
  assert.doesNotMatch(stdout.text, /TRACE/);
  await telemetry.flush();
  assert.equal(receiver.requests, 0);
  await using mute = await open(receiver, { intoGuests: false });
  await using other = await Caisson.open({ telemetry: mute });
  assert.doesNotMatch((await other.run(['env'])).stdout.text, /TRACE/);
});

test('what the caller sets or the policy passes on as TRACEPARENT stands', async () => {
  await using receiver = await OtlpReceiver.open();
  await using telemetry = await open(receiver);
  await using caisson = await Caisson.open({ telemetry });
  const env = { TRACEPARENT: 'mine' };
  const { stdout } = await caisson.run(['sh', '-c', 'echo $TRACEPARENT'], { env });
  assert.equal(stdout.text, 'mine\n');
});

test('the audit log goes out as it was written, with its numbers and hashes', async (t) => {
  const base = mkdtempSync(join(tmpdir(), 'caisson-'));
  t.after(() => rmSync(base, { recursive: true }));
  const directory = join(base, 'log');
  await using receiver = await OtlpReceiver.open();
  const telemetry = await open(receiver, { traces: false, logs: true, metrics: true });
  const audit = await AuditLog.open({ directory });
  telemetry.shipAudit({ directory, id: audit.id });
  const caisson = await Caisson.open({ telemetry, audit });
  const { auditId } = await caisson.run(['true']);
  await caisson.close();
  await audit.flush();
  const { seq, hash } = audit.head;
  await telemetry.shutdown();
  await audit.close();
  const ended = receiver.records.find(({ eventName }) => eventName === 'caisson.ended');
  assert.equal(ended?.attributes['caisson.run'], auditId);
  assert.equal(ended?.attributes['caisson.log'], audit.id);
  assert.equal(ended?.severityText, 'INFO');
  const last = receiver.records.at(-1);
  assert.deepEqual(
    [last?.attributes['caisson.seq'], last?.attributes['caisson.hash']],
    [seq, hash],
  );
  assert.ok(receiver.metrics.has('caisson.run.duration'));
});

test('a receiver that fails or hangs holds nothing up, and is counted', async () => {
  await using receiver = await OtlpReceiver.open();
  for (const answers of [400, 'hang'] as const) {
    receiver.answers = answers;
    const telemetry = await open(receiver, { exportTimeoutMs: 300, shutdownMs: 2000 });
    await using caisson = await Caisson.open({ telemetry });
    assert.equal((await caisson.run(['true'])).code, 0);
    await telemetry.flush();
    const text = await telemetry.renderMetrics();
    assert.match(
      text,
      /^caisson_telemetry_failures_total\{caisson_telemetry_signal="traces"\} 1$/m,
    );
    assert.match(text, /^caisson_telemetry_unsent_total\{caisson_telemetry_signal="traces"\} 6$/m);
    await telemetry.shutdown();
  }
  // One that never answers is given up at the limit of a shutdown.
  const telemetry = await open(receiver, { exportTimeoutMs: 60_000, shutdownMs: 200 });
  telemetry.begin('something').end();
  const gone = await Promise.race([
    telemetry.shutdown().then(() => 'ended'),
    new Promise((resolve) => setTimeout(resolve, 20_000, 'hangs').unref()),
  ]);
  assert.equal(gone, 'ended');
});
