/** Settings and OpenTelemetry's own environment variables. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle, type TelemetrySettings } from '../../../src/observe/telemetry/settings.ts';

const off = { traces: false, metrics: false, logs: false };
const on = { traces: true, metrics: true, logs: true };

test('nobody is sent anything unasked', () => {
  const settled = settle({}, {});
  assert.deepEqual(settled.otlp, off);
  assert.equal(settled.prometheus, true);
  assert.deepEqual(settled.resource, { 'service.name': 'caisson' });
  assert.deepEqual(settled.sampler, { follows: true, ratio: 1 });
});

test('a receiver, or an exporter, that the environment names asks for it', () => {
  const otlp = (environment: Record<string, string>, settings: TelemetrySettings = {}) =>
    settle(settings, environment).otlp;
  const endpoint = 'http://127.0.0.1:4318';
  assert.deepEqual(otlp({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }), on);
  assert.deepEqual(otlp({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint }), {
    ...off,
    traces: true,
  });
  assert.deepEqual(otlp({ OTEL_LOGS_EXPORTER: 'otlp' }), { ...off, logs: true });
  assert.deepEqual(otlp({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_METRICS_EXPORTER: 'none' }), {
    ...on,
    metrics: false,
  });
  assert.deepEqual(otlp({ OTEL_METRICS_EXPORTER: 'prometheus' }), off);
  assert.deepEqual(otlp({ OTEL_EXPORTER_OTLP_ENDPOINT: '  ' }), off);
  assert.deepEqual(otlp({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SDK_DISABLED: 'TRUE' }), off);
  // Who calls has the last word.
  assert.deepEqual(otlp({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, { logs: false }), {
    ...on,
    logs: false,
  });
  assert.deepEqual(otlp({ OTEL_SDK_DISABLED: 'true' }, { traces: true }), { ...off, traces: true });
});

test('names, attributes, samplers and batches of the environment', () => {
  const settled = settle(
    { resource: { team: 'mine' } },
    {
      OTEL_SERVICE_NAME: 'named',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=lost,region=eu%2Dwest , team=theirs',
      OTEL_TRACES_SAMPLER: 'traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
      OTEL_BSP_SCHEDULE_DELAY: '100',
      OTEL_BSP_MAX_QUEUE_SIZE: '10',
      OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: '7',
      OTEL_METRIC_EXPORT_INTERVAL: '5000',
      OTEL_PROPAGATORS: 'b3',
    },
  );
  assert.deepEqual(settled.resource, { 'service.name': 'named', region: 'eu-west', team: 'mine' });
  assert.deepEqual(settled.sampler, { follows: false, ratio: 0.25 });
  assert.deepEqual(settled.spans, { delayMs: 100, queue: 10, batch: 10 });
  assert.equal(settled.records.batch, 7);
  assert.equal(settled.metricsEveryMs, 5000);
  assert.equal(settled.intoGuests, false);
  assert.equal(
    settle({ serviceName: 'mine' }, { OTEL_SERVICE_NAME: 'x' }).resource['service.name'],
    'mine',
  );
});

test('what cannot be kept is refused by name', () => {
  const cases: readonly (readonly [TelemetrySettings, Record<string, string>, RegExp])[] = [
    [
      { traces: true },
      { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
      /OTEL_EXPORTER_OTLP_PROTOCOL is grpc/,
    ],
    [
      { logs: true },
      { OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'kafka' },
      /OTEL_EXPORTER_OTLP_LOGS_PROTOCOL/,
    ],
    [{}, { OTEL_TRACES_EXPORTER: 'zipkin' }, /OTEL_TRACES_EXPORTER: otlp, none, not zipkin/],
    [{}, { OTEL_TRACES_SAMPLER: 'jaeger_remote' }, /OTEL_TRACES_SAMPLER/],
    [{}, { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '7' }, /0 to 1, not 7/],
    [{}, { OTEL_BSP_MAX_QUEUE_SIZE: '-1' }, /OTEL_BSP_MAX_QUEUE_SIZE/],
    [{}, { OTEL_RESOURCE_ATTRIBUTES: 'novalue' }, /OTEL_RESOURCE_ATTRIBUTES/],
    [{}, { OTEL_RESOURCE_ATTRIBUTES: 'a=%zz' }, /the value of a/],
    [{ endpoint: 'ftp://x' }, {}, /write http:\/\/HOST:4318.*at endpoint/s],
    [{ endpoint: 'localhost:4318' }, {}, /write http:\/\/localhost:4318, .*at endpoint/s],
    [{ endpoint: 'me:secret@host:4318' }, {}, /write http:\/\/HOST:4318(?!.*secret)/s],
    [
      {},
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' },
      /OTEL_EXPORTER_OTLP_ENDPOINT is no URL of http or https: write http:\/\/localhost:4318/,
    ],
    [
      { logs: true },
      { OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: '[::1]:4318/v1/logs' },
      /OTEL_EXPORTER_OTLP_LOGS_ENDPOINT is .* write http:\/\/\[::1\]:4318\/v1\/logs/,
    ],
    [{}, { OTEL_EXPORTER_OTLP_ENDPOINT: '//collector' }, /write http:\/\/collector/],
    [{}, { OTEL_EXPORTER_OTLP_ENDPOINT: 'me:secret@host:4318' }, /HOST:4318(?!.*secret)/s],
    [{ sampleRatio: 2 }, {}, /sampleRatio/],
    [{ protocol: 'grpc' } as never, {}, /protocol/],
    [{ shutdownMs: 0 }, {}, /shutdownMs/],
    [{ trace: true } as TelemetrySettings, {}, /trace/],
  ];
  for (const [settings, environment, message] of cases) {
    assert.throws(() => settle(settings, environment), { code: 'CONFIG_INVALID', message });
  }
  const protocols = settle(
    { traces: true, logs: true },
    {
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'http/json',
    },
  );
  assert.deepEqual(protocols.protocols, {
    traces: 'http/protobuf',
    metrics: 'http/json',
    logs: 'http/json',
  });
  // Where nothing is sent, how it would be sent, and where to, is nobody's affair.
  const nowhere = { OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' };
  assert.deepEqual(settle({}, { ...nowhere, OTEL_SDK_DISABLED: 'true' }).otlp, off);
  const endpoint = 'http://127.0.0.1:4318';
  assert.equal(settle({ ...on, endpoint }, nowhere).endpoint, endpoint);
  assert.deepEqual(settle({}, { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }).otlp, off);
});
