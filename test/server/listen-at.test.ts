/** Where a service cannot listen: said in words, and nothing of somebody else's is taken away. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fastify } from 'fastify';
import { isCaissonError } from '../../src/core/error.ts';
import { parseConfig } from '../../src/server/config/config.ts';
import { listenAt } from '../../src/server/listen-at.ts';

const directory = mkdtempSync(join(tmpdir(), 'caisson-listen-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/** What it says where it cannot, as `CODE: message`. */
async function refusal(listen: object): Promise<string> {
  const app = fastify();
  const { listen: settings } = parseConfig({ listen: { insecure: true, ...listen } });
  try {
    return await listenAt(app, settings);
  } catch (error) {
    assert.ok(isCaissonError(error), String(error));
    assert.match(error.hint ?? '', /--(port|host|socket) /);
    return `${error.code}: ${error.message}`;
  } finally {
    await app.close();
  }
}

test('a port in use is told as such, and which', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  assert.equal(await refusal({ port }), `CONFLICT: another process listens at 127.0.0.1:${port}`);
  other.close();
});

test('an address that is none of this machine', async () => {
  // TEST-NET-1 (RFC 5737).
  assert.equal(
    await refusal({ host: '192.0.2.1', port: 0 }),
    'CONFIG_INVALID: 192.0.2.1 is no address of this machine',
  );
});

test('who listens everywhere is not told of loopback', async () => {
  assert.match(await refusal({ host: '0.0.0.0', port: 0 }), /^http:\/\/0\.0\.0\.0:[1-9]\d*$/);
});

test('a file in the place of the socket stays as it is', async () => {
  const socketPath = join(directory, 'precious');
  writeFileSync(socketPath, 'kept');
  assert.equal(
    await refusal({ socketPath }),
    `CONFLICT: ${socketPath} is there already, and no socket`,
  );
  assert.equal(readFileSync(socketPath, 'utf8'), 'kept');
});

test('a socket that answers stays, one that a dead service left does not', async () => {
  const socketPath = join(directory, 'api.sock');
  const other = createServer().listen(socketPath);
  await once(other, 'listening');
  assert.equal(await refusal({ socketPath }), `CONFLICT: another process listens at ${socketPath}`);
  assert.ok(statSync(socketPath).isSocket());
  // Under another name, Node does not take it away with the server.
  const left = join(directory, 'left.sock');
  renameSync(socketPath, left);
  other.close();
  await once(other, 'close');
  assert.ok(statSync(left).isSocket());
  assert.equal(await refusal({ socketPath: left }), `unix:${left}`);
});

test('a socket in a directory that is not there', async () => {
  const socketPath = join(directory, 'nowhere', 'api.sock');
  assert.equal(
    await refusal({ socketPath }),
    `CONFIG_INVALID: it cannot listen at ${socketPath}: there is no directory ${join(directory, 'nowhere')}`,
  );
});
