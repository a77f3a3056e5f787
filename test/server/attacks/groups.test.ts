/** Two tenants that give a group, and the sandboxes in it, the same names: each meets its own, and nobody else’s. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { served } from '../served.ts';

const python = spawnSync('python3', ['-V']).status === 0;
const SERVE = `
import socket, sys
s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen(5)
while True:
    c, _ = s.accept(); c.sendall(sys.argv[1].encode()); c.close()
`;
const ASK = `
import socket, sys
for target in sys.argv[1:]:
    try: print(target, socket.create_connection((target, 8080), 3).recv(99).decode(), flush=True)
    except OSError: print(target, "-", flush=True)
`;

test('a group of another tenant', {
  skip: python ? false : 'python3 is not installed',
}, async () => {
  await using service = await served({ audit: { enabled: false } });
  const keys = [await service.key('developer'), await service.key('developer', 'globex')];
  const stopping = new AbortController();
  const create = async (key: string, name: string): Promise<string> => {
    const network = { mode: 'internal', group: 'team', listen: [8080] };
    const policy = { version: 1, level: 'moderate', network };
    const body = { name, policy, workspace: 'private' };
    const made = await service.ask('POST', '/api/sandboxes', { key, body });
    assert.equal(made.status, 201, made.text);
    return `/api/sandboxes/${(made.body as { id: string }).id}/exec`;
  };
  for (const [n, key] of keys.entries()) {
    const body = { argv: ['python3', '-c', SERVE, `server of ${n}`] };
    service
      .ask('POST', await create(key, 'server'), { key, body, signal: stopping.signal })
      .catch(() => {});
  }
  // Addresses are drawn for all groups from the same block, one after the other.
  const addresses = Array.from({ length: 8 }, (_, i) => `100.64.0.${i + 1}`);
  for (const [n, key] of keys.entries()) {
    const path = await create(key, 'asker');
    const ask = async (...targets: string[]): Promise<string[]> => {
      const body = { argv: ['python3', '-c', ASK, ...targets] };
      const { text, body: ran } = await service.ask('POST', path, { key, body });
      const { stdout } = ran as { stdout?: { text: string } };
      return stdout?.text.trim().split('\n') ?? assert.fail(text);
    };
    while ((await ask('server'))[0] !== `server server of ${n}`) await sleep(100);
    const answers = await ask('server.internal', ...addresses);
    assert.equal(answers[0], `server.internal server of ${n}`);
    const met = answers.slice(1).filter((line) => !line.endsWith(' -'));
    assert.equal(met.length, 1, 'by address as by name');
    assert.match(met[0] ?? '', new RegExp(`server of ${n}$`));
  }
  stopping.abort();
});
