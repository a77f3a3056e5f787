/** Traces of one command: sent where they are asked for, and nothing is loaded where they are not. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mayAskForTraces } from '../../src/cli/otel-environment.ts';
import { OtlpReceiver } from '../observe/telemetry/otlp-receiver.ts';
import { entry, makePlace, type Place } from './caisson.ts';

interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The receiver answers in this process, which must not stand still. */
function run(place: Place, args: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const env = { ...place.environment, PATH: '/usr/bin:/bin', ...more };
  return new Promise((resolve) => {
    const child = execFile(
      entry,
      args,
      { cwd: place.work, env, timeout: 60_000 },
      (error, stdout, stderr) =>
        resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
    child.stdin?.end();
  });
}

const echo = ['run', '--', 'sh', '-c', 'echo "$TRACEPARENT"; exit 3'];

test('OTEL_EXPORTER_OTLP_ENDPOINT has a run traced, a run that is known too', async () => {
  using place = makePlace();
  await using receiver = await OtlpReceiver.open();
  const known = await run(place, echo);
  assert.deepEqual(known, { status: 3, stdout: '\n', stderr: '' });
  const plans = join(place.environment.XDG_RUNTIME_DIR ?? '', 'caisson/plans');
  assert.equal(readdirSync(plans).length, 2, 'it is known now');
  assert.equal(receiver.requests, 0);

  const { status, stdout, stderr } = await run(place, echo, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_SERVICE_NAME: 'nightly',
  });
  assert.deepEqual({ status, stderr }, { status: 3, stderr: '' });
  const whole = receiver.span('caisson.spawn');
  const guest = receiver.span('caisson.guest');
  assert.equal(whole.attributes['process.exit.code'], 3);
  assert.equal(guest.traceId, whole.traceId);
  assert.match(stdout, new RegExp(`^00-${whole.traceId}-[0-9a-f]{16}-01\n$`));
  assert.equal(receiver.resource['service.name'], 'nightly');
  assert.equal(receiver.metrics.size, 0, 'traces alone');
});

test('--telemetry is below the trace of whoever calls; --no-telemetry stands over OTEL_*', async () => {
  using place = makePlace();
  await using receiver = await OtlpReceiver.open();
  const asked = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url };
  const refused = await run(place, ['run', '--no-telemetry', ...echo.slice(1)], asked);
  assert.deepEqual(refused, { status: 3, stdout: '\n', stderr: '' });
  assert.equal(receiver.requests, 0);

  // The flag says that spans are sent, OTEL_* where to.
  await run(place, ['run', '--telemetry', ...echo.slice(1)], {
    ...asked,
    OTEL_TRACES_EXPORTER: 'none',
    TRACEPARENT: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  });
  const whole = receiver.span('caisson.spawn');
  assert.equal(whole.traceId, '4bf92f3577b34da6a3ce929d0e0e4736');
  assert.equal(whole.parentSpanId, '00f067aa0ba902b7');
});

test('eval is traced likewise', async () => {
  using place = makePlace();
  await using receiver = await OtlpReceiver.open();
  const { stdout, stderr } = await run(place, ['eval', 'javascript', 'export default () => 42'], {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.url}/v1/traces`,
  });
  assert.deepEqual({ stdout, stderr }, { stdout: '42\n', stderr: '' });
  receiver.span('caisson.evaluate');
});

test('a receiver that is not there, or hangs, changes no exit code, and is told', async () => {
  using place = makePlace();
  await using receiver = await OtlpReceiver.open();
  receiver.answers = 'hang';
  for (const url of ['http://127.0.0.1:9', receiver.url]) {
    const ran = await run(place, ['run', '--telemetry', '--', 'sh', '-c', 'echo out; exit 3'], {
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
    });
    assert.equal(ran.status, 3);
    assert.equal(ran.stdout, 'out\n');
    assert.match(
      ran.stderr,
      /^caisson: telemetry: not all spans could be sent.*http:\/\/HOST:4318/,
    );
  }
  assert.ok(receiver.requests > 0, 'the one that hangs was asked');
});

test('a value of OTEL_* that cannot be kept is refused before anything runs', async () => {
  using place = makePlace();
  const ran = await run(place, ['run', '--', 'sh', '-c', 'echo ran'], {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
  });
  assert.equal(ran.stdout, '');
  assert.match(ran.stderr, /OTEL_EXPORTER_OTLP_PROTOCOL is grpc/);
  assert.equal(ran.status, 78);
});

test('nobody asks: nothing of OpenTelemetry is loaded', async () => {
  using place = makePlace();
  const hook = join(place.work, 'tells-what-is-loaded.cjs');
  writeFileSync(
    hook,
    `require('node:module').registerHooks({ resolve: (name, context, next) => {
      if (name.includes('opentelemetry')) process._rawDebug('LOADS ' + name);
      return next(name, context);
    } });`,
  );
  const env = { NODE_OPTIONS: `--require=${hook}`, PATH: '/usr/bin:/bin' };
  // The ordinary way: --env keeps it from being a known run.
  const words = ['run', '--env', 'A=b', '--', 'true'];
  const quiet = await run(place, words, env);
  const asked = await run(place, words, {
    ...env,
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
  });
  assert.match(asked.stderr, /LOADS @opentelemetry/, 'this test would see it');
  assert.deepEqual(quiet, { status: 0, stdout: '', stderr: '' });
});

test('what of the environment asks, without a look at the settings', () => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };
  assert.equal(mayAskForTraces({}), false);
  assert.equal(mayAskForTraces({ OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }), false);
  assert.equal(mayAskForTraces({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://m' }), false);
  assert.equal(mayAskForTraces({ OTEL_TRACES_EXPORTER: 'otlp' }), true);
  assert.equal(mayAskForTraces(endpoint), true);
  assert.equal(mayAskForTraces({ ...endpoint, OTEL_SDK_DISABLED: 'TRUE' }), false);
  assert.equal(mayAskForTraces({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' }), false);
});
