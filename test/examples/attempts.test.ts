/**
 * Ablation of the demonstration: without a wall, what `npm start` shows as stopped succeeds. So the
 * programs really try. (The fork bomb, the memory hog and the escape are not let loose on a host.)
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

const hostile = resolve(import.meta.dirname, '../../examples/attempts');

async function unisolated(program: string, args: string[], env = {}): Promise<string> {
  const child = spawn('python3', [join(hostile, program), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  const [code] = await once(child, 'close');
  assert.equal(code, 0, said);
  return said;
}

test('write-outside leaves its file on the host', async () => {
  const victim = mkdtempSync(join(tmpdir(), 'victim-'));
  try {
    await unisolated('write-outside.py', [victim]);
    assert.ok(existsSync(join(victim, 'planted.txt')));
  } finally {
    rmSync(victim, { recursive: true });
  }
});

test('connect reaches a server of the host', async () => {
  const server = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const connected = once(server, 'connection');
  const { port } = server.address() as { port: number };
  await unisolated('connect.py', [String(port)]);
  await connected;
  server.close();
});

test('read-secrets finds a token and a key directory', async () => {
  const home = mkdtempSync(join(tmpdir(), 'home-'));
  try {
    mkdirSync(join(home, '.ssh'));
    const said = await unisolated('read-secrets.py', [home], { DEPLOY_TOKEN: 'not-a-real-token' });
    assert.match(said, /DEPLOY_TOKEN/);
    assert.match(said, /\.ssh/);
  } finally {
    rmSync(home, { recursive: true });
  }
});

test('read-shadow reads it', { skip: process.getuid?.() !== 0 && 'needs root' }, async () => {
  assert.match(await unisolated('read-shadow.py', []), /^read /);
});
