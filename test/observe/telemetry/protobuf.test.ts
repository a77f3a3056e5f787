/** http/protobuf: the same spans, records and metrics, in the encoding that every receiver of OTLP knows. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AuditLog } from '../../../src/observe/audit/audit-log.ts';
import { openTelemetry } from '../../../src/observe/telemetry/open-telemetry.ts';

/** Fields of a message with that number and wire type 2: strings, bytes, messages (protobuf.dev, encoding). */
function fields(message: Buffer, wanted: number): Buffer[] {
  const found: Buffer[] = [];
  let at = 0;
  const varint = (): number => {
    let [value, factor] = [0, 1];
    for (;;) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 0x80;
    }
  };
  while (at < message.length) {
    const key = varint();
    const [number, type] = [Math.floor(key / 8), key % 8];
    if (type === 0) varint();
    else if (type === 1) at += 8;
    else if (type === 5) at += 4;
    else {
      assert.equal(type, 2);
      const length = varint();
      if (number === wanted) found.push(message.subarray(at, at + length));
      at += length;
    }
  }
  return found;
}

/** Of a request: resource_…(1), scope_…(2), items(2), and the name of each by its own number. */
const NAME_OF: Readonly<Record<string, number>> = {
  '/v1/traces': 5,
  '/v1/metrics': 1,
  '/v1/logs': 12,
};

test('goes out where the setting or the environment says so, and as nothing else', async () => {
  const got = new Map<string, { readonly type: string | undefined; readonly names: string[] }>();
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    const path = request.url ?? '';
    const names = fields(body, 1)
      .flatMap((resource) => fields(resource, 2))
      .flatMap((scope) => fields(scope, 2))
      .flatMap((item) => fields(item, NAME_OF[path] ?? 0))
      .map((name) => name.toString());
    got.set(path, { type: request.headers['content-type'], names });
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const directory = mkdtempSync(join(tmpdir(), 'caisson-protobuf-'));
  try {
    for (const [settings, environment] of [
      [{ protocol: 'http/protobuf', endpoint }, {}],
      [{ endpoint }, { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' }],
    ] as const) {
      got.clear();
      const telemetry = await openTelemetry(
        { ...settings, traces: true, metrics: true, logs: true },
        environment,
      );
      const log = await AuditLog.open({ directory: join(directory, `${Math.random()}`) });
      telemetry.shipAudit({ directory: log.directory, id: log.id });
      telemetry.begin('caisson.run').end();
      log.observer({ kind: 'refused', id: 'r', code: 'POLICY_INVALID', message: 'no' });
      await log.flush();
      await telemetry.shutdown();
      await log.close();
      assert.equal(telemetry.hasSentAll, true);
      assert.deepEqual([...got.keys()].sort(), ['/v1/logs', '/v1/metrics', '/v1/traces']);
      for (const { type } of got.values()) assert.equal(type, 'application/x-protobuf');
      assert.deepEqual(got.get('/v1/traces')?.names, ['caisson.run']);
      assert.ok(got.get('/v1/metrics')?.names.includes('caisson.operation.duration'));
      assert.ok(got.get('/v1/logs')?.names.includes('caisson.refused'));
    }
  } finally {
    server.close();
    server.closeAllConnections();
    rmSync(directory, { recursive: true, force: true });
  }
});
