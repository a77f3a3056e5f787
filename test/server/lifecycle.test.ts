/** What is done with a sandbox that is there: paused, forked, kept as a snapshot, changed, reached. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { until } from '../until.ts';
import { GuestSocket } from './guest-socket.ts';
import { type Served, served } from './served.ts';

const python = spawnSync('python3', ['-V']).status === 0;
const project = mkdtempSync(join(tmpdir(), 'caisson-project-'));
writeFileSync(join(project, 'README'), 'before\n');

let service: Served;
let key: string;
const OVERLAY = {
  level: 'moderate',
  filesystem: { workspace: 'overlay' },
  limits: { memory: '64MiB' },
};

before(async () => {
  service = await served({
    workspaces: { project },
    tenants: {
      acme: { workspaces: ['project'], quotas: { kept: 6 } },
      globex: {},
    },
    audit: { enabled: false },
  });
  key = await service.key('developer');
});
after(async () => {
  await service[Symbol.asyncDispose]();
  rmSync(project, { recursive: true });
});

type Any = Record<string, never> & { id: string; code: string; items: Any[] };
async function ask(method: string, path: string, body?: unknown, as = key) {
  const answer = await service.ask(method, path, {
    key: as,
    ...(body === undefined ? {} : { body }),
  });
  return { status: answer.status, body: answer.body as Any, text: answer.text };
}

async function make(body: object): Promise<string> {
  const { status, body: made, text } = await ask('POST', '/api/sandboxes', body);
  assert.equal(status, 201, text);
  return made.id;
}

async function sh(id: string, script: string): Promise<string> {
  const { text } = await ask('POST', `/api/sandboxes/${id}/exec`, { argv: ['sh', '-c', script] });
  const { stdout, stderr, code } = JSON.parse(text);
  assert.equal(code, 0, `${text} ${stderr?.text}`);
  return stdout.text;
}

const end = (id: string) => ask('DELETE', `/api/sandboxes/${id}`);
const workspaces = (): string[] => readdirSync(join(service.state, 'workspaces'));
const overlays = (): string[] => {
  const home = join(service.state, 'overlays');
  return existsSync(home) ? readdirSync(home) : [];
};

describe('paused and gone on with', () => {
  test('what runs stands still, by the count of the host', async () => {
    const id = await make({ policy: 'moderate', workspace: 'private' });
    const [name = ''] = workspaces();
    const path = join(service.state, 'workspaces', name, 'ticks');
    const ticks = () => (existsSync(path) ? readFileSync(path, 'utf8').length : 0);
    const goesOn = (from: number) => until('it goes on', () => ticks() !== from);
    const guest = await GuestSocket.open(service.address, `/api/sandboxes/${id}/spawn`, key);
    guest.say({ argv: ['sh', '-c', 'while :; do printf x >> ticks; sleep 0.01; done'] });
    await goesOn(0);
    const paused = await ask('POST', `/api/sandboxes/${id}/pause`);
    assert.deepEqual(
      [paused.status, (paused.body as { state?: string }).state],
      [200, 'Paused'],
      paused.text,
    );
    const stood = ticks();
    await sleep(200);
    assert.equal(ticks(), stood);
    assert.equal((await ask('POST', `/api/sandboxes/${id}/pause`)).status, 400);
    assert.equal((await ask('POST', `/api/sandboxes/${id}/resume`)).status, 200);
    await goesOn(stood);
    await end(id);
    await guest.closed;
  });
});

describe('forks and snapshots', () => {
  test('each has the changes of its moment, and a life of its own', async () => {
    const first = await make({ policy: OVERLAY, workspace: 'private' });
    await sh(first, 'echo one > file');
    const taken = await ask('POST', `/api/sandboxes/${first}/snapshots`);
    assert.equal(taken.status, 201, taken.text);
    await sh(first, 'echo two > file');
    const forked = await ask('POST', `/api/sandboxes/${first}/fork`, { labels: { of: 'first' } });
    assert.equal(forked.status, 201, forked.text);
    await sh(first, 'echo three > file');
    assert.equal(await sh(forked.body.id, 'cat file'), 'two\n');
    assert.equal(workspaces().length, 1);
    await end(first);
    // Those that are left stand on the same workspace.
    assert.equal(workspaces().length, 1);
    assert.equal(await sh(forked.body.id, 'cat file'), 'two\n');
    const opened = await ask('POST', `/api/snapshots/${taken.body.id}/open`);
    assert.equal(opened.status, 201, opened.text);
    assert.equal(await sh(opened.body.id, 'cat file'), 'one\n');
    const list = await ask('GET', '/api/snapshots');
    assert.deepEqual(
      list.body.items.map(({ id }) => id),
      [taken.body.id],
    );
    await end(forked.body.id);
    await end(opened.body.id);
    assert.equal(workspaces().length, 1);
    assert.equal((await ask('DELETE', `/api/snapshots/${taken.body.id}`)).status, 204);
    assert.equal((await ask('DELETE', `/api/snapshots/${taken.body.id}`)).status, 404);
    assert.deepEqual([workspaces(), overlays()], [[], []]);
  });

  test('what is paused stays paused while it is copied', async () => {
    const id = await make({ policy: OVERLAY, workspace: 'private' });
    await ask('POST', `/api/sandboxes/${id}/pause`);
    const forked = await ask('POST', `/api/sandboxes/${id}/fork`);
    assert.equal(forked.status, 201, forked.text);
    const { body } = await ask('GET', `/api/sandboxes/${id}`);
    assert.equal((body as { state?: string }).state, 'Paused');
    assert.equal((await ask('POST', `/api/sandboxes/${id}/resume`)).status, 200);
    await end(id);
    await end(forked.body.id);
  });

  test('each takes a place of its own in the tenant’s quota', async () => {
    const id = await make({ policy: OVERLAY, workspace: 'private' });
    const ids: string[] = [id];
    for (;;) {
      const { status, body } = await ask('POST', `/api/sandboxes/${id}/fork`);
      if (status !== 201) {
        assert.deepEqual([status, body.code], [429, 'QUOTA_EXCEEDED']);
        break;
      }
      ids.push(body.id);
    }
    assert.equal(ids.length, 6);
    assert.equal((await ask('POST', `/api/sandboxes/${id}/snapshots`)).status, 429);
    for (const each of ids) await end(each);
    assert.deepEqual([workspaces(), overlays()], [[], []]);
    assert.equal(service.serving.service.security.quotas.used('acme').kept, 0);
  });

  test('one that ends while it is copied leaves no copy', async () => {
    for (let round = 0; round < 8; round++) {
      const id = await make({ policy: OVERLAY, workspace: 'private' });
      await sh(id, 'mkdir d && for n in $(seq 300); do echo $n > d/$n; done');
      const forked = ask('POST', `/api/sandboxes/${id}/fork`);
      const taken = ask('POST', `/api/sandboxes/${id}/snapshots`);
      await sleep(round * 4);
      await end(id);
      for (const { status, text } of [await forked, await taken]) {
        assert.ok(status === 201 || (status >= 400 && status < 500), text);
      }
      if ((await forked).status === 201) await end((await forked).body.id);
      if ((await taken).status === 201) {
        await ask('DELETE', `/api/snapshots/${(await taken).body.id}`);
      }
      assert.deepEqual([workspaces(), overlays()], [[], []], `round ${round}`);
    }
  });

  test('a snapshot that is discarded while it is opened is one that is not there', async () => {
    const id = await make({ policy: OVERLAY, workspace: 'private' });
    await sh(id, 'mkdir d && for n in $(seq 300); do echo $n > d/$n; done');
    for (let round = 0; round < 8; round++) {
      const { body } = await ask('POST', `/api/sandboxes/${id}/snapshots`);
      const opening = ask('POST', `/api/snapshots/${body.id}/open`);
      await sleep(round * 2);
      await ask('DELETE', `/api/snapshots/${body.id}`);
      const opened = await opening;
      assert.ok([201, 404].includes(opened.status), opened.text);
      if (opened.status === 201) await end(opened.body.id);
    }
    await end(id);
    assert.deepEqual([workspaces(), overlays()], [[], []]);
  });

  test('without an overlay there is nothing to copy; nothing is left of the attempt', async () => {
    const id = await make({ policy: 'moderate', workspace: 'private' });
    assert.equal((await ask('POST', `/api/sandboxes/${id}/fork`)).status, 400);
    assert.equal((await ask('POST', `/api/sandboxes/${id}/snapshots`)).status, 400);
    await end(id);
    assert.deepEqual(workspaces(), []);
    assert.equal(service.serving.service.security.quotas.used('acme').kept, 0);
  });

  test('another tenant has none of it', async () => {
    const globex = await service.key('developer', 'globex');
    const id = await make({ policy: OVERLAY, workspace: 'private' });
    const { body } = await ask('POST', `/api/sandboxes/${id}/snapshots`);
    for (const [method, path] of [
      ['POST', `/api/sandboxes/${id}/pause`],
      ['POST', `/api/sandboxes/${id}/resume`],
      ['POST', `/api/sandboxes/${id}/fork`],
      ['POST', `/api/sandboxes/${id}/snapshots`],
      ['POST', `/api/snapshots/${body.id}/open`],
      ['DELETE', `/api/snapshots/${body.id}`],
      ['GET', `/api/sandboxes/${id}/usage`],
      ['GET', `/api/sandboxes/${id}/violations`],
      ['GET', `/api/sandboxes/${id}/changes`],
      ['GET', `/api/sandboxes/${id}/diff`],
      ['POST', `/api/sandboxes/${id}/apply`],
      ['GET', `/api/sandboxes/${id}/network`],
      ['GET', `/api/sandboxes/${id}/ports`],
      ['DELETE', `/api/sandboxes/${id}/ports/80`],
      ['POST', `/api/sandboxes/${id}/shells`],
      ['GET', `/api/sandboxes/${id}/shells`],
      ['DELETE', `/api/sandboxes/${id}/shells/x`],
    ] as const) {
      assert.equal((await ask(method, path, undefined, globex)).status, 404, path);
    }
    assert.deepEqual((await ask('GET', '/api/snapshots', undefined, globex)).body.items, []);
    await ask('DELETE', `/api/snapshots/${body.id}`);
    await end(id);
  });
});

describe('changes', () => {
  test('listed, shown, and brought to the operator’s directory', async () => {
    const id = await make({ policy: OVERLAY, workspace: 'project' });
    await sh(id, 'echo after > README; mkdir d; echo new > d/f; ln -s /etc/passwd link');
    const { body } = await ask('GET', `/api/sandboxes/${id}/changes?limit=2`);
    assert.equal(body.items.length, 2);
    const rest = await ask(
      'GET',
      `/api/sandboxes/${id}/changes?after=${(body as { next?: string }).next}`,
    );
    assert.deepEqual(
      [...body.items, ...rest.body.items].map((each) => Object.values(each).slice(0, 3).join(' ')),
      ['README modified file', 'd added directory', 'd/f added file', 'link added link'],
    );
    const diff = await ask('GET', `/api/sandboxes/${id}/diff`);
    assert.match(diff.text, /^-before\n\+after$/m);
    assert.equal(readFileSync(join(project, 'README'), 'utf8'), 'before\n');
    const part = await ask('POST', `/api/sandboxes/${id}/apply`, { only: ['d'] });
    assert.equal(part.status, 200, part.text);
    assert.equal(readFileSync(join(project, 'd/f'), 'utf8'), 'new\n');
    assert.equal(readFileSync(join(project, 'README'), 'utf8'), 'before\n');
    writeFileSync(join(project, 'README'), 'somebody else\n');
    const conflict = await ask('POST', `/api/sandboxes/${id}/apply`);
    assert.deepEqual([conflict.status, conflict.body.code], [409, 'CHANGES_CONFLICT']);
    assert.equal(readFileSync(join(project, 'README'), 'utf8'), 'somebody else\n');
    await end(id);
  });

  test('a tenant that may not use the directory any more changes nothing in it', async () => {
    const id = await make({ policy: OVERLAY, workspace: 'project' });
    await sh(id, 'echo mine > theirs');
    const { tenants } = service.serving.service.security;
    await tenants.update('acme', { settings: { workspaces: [] }, by: 'test' });
    await tenants.follow();
    const refused = await ask('POST', `/api/sandboxes/${id}/apply`);
    assert.equal(refused.status, 403, refused.text);
    assert.equal(existsSync(join(project, 'theirs')), false);
    await tenants.update('acme', { settings: {}, by: 'test' });
    await tenants.follow();
    await end(id);
  });
});

describe('the network', { skip: python ? false : 'python3 is not installed' }, () => {
  const listening = {
    level: 'strict',
    network: { mode: 'filtered', allow: ['one.example:443'], listen: [8080] },
  };
  const echo = `import socket
s = socket.create_server(('', 8080)); print('up', flush=True)
while True:
  c, who = s.accept()
  while True:
    more = c.recv(65536)
    if not more: break
    c.sendall(more)
  c.sendall(b'END'); c.close()`;

  test('is changed within the ceiling, and not beyond it', async () => {
    const id = await make({ policy: listening });
    const path = `/api/sandboxes/${id}/network`;
    assert.match((await ask('GET', path)).text, /one\.example/);
    const changed = await ask('PUT', path, {
      network: { mode: 'filtered', allow: ['two.example:443'], listen: [8080] },
    });
    assert.equal(changed.status, 200, changed.text);
    const after = (await ask('GET', path)).text;
    assert.ok(after.includes('two.example') && !after.includes('one.example'), after);
    for (const [network, status, code] of [
      [{ mode: 'filtered', allow: ['127.0.0.1:80'] }, 403, 'POLICY_BEYOND_CEILING'],
      [{ mode: 'filtered', allow: ['169.254.169.254:80'] }, 403, 'POLICY_BEYOND_CEILING'],
      [{ mode: 'full' }, 403, 'POLICY_BEYOND_CEILING'],
      [{ mode: 'none' }, 400, 'REQUEST_INVALID'],
      [{ mode: 'wide' }, 400, 'POLICY_INVALID'],
      [{ allow: ['x y'] }, 400, 'POLICY_INVALID'],
    ] as const) {
      const refused = await ask('PUT', path, { network });
      assert.deepEqual([refused.status, refused.body.code], [status, code], refused.text);
    }
    assert.equal((await ask('GET', path)).text, after);
    await end(id);
  });

  test('a port is published, on loopback, and closed', async () => {
    const id = await make({ policy: listening });
    const guest = await GuestSocket.open(service.address, `/api/sandboxes/${id}/spawn`, key);
    guest.say({ argv: ['python3', '-c', echo] });
    await guest.until('up');
    const made = await ask('POST', `/api/sandboxes/${id}/ports`, { guestPort: 8080 });
    assert.equal(made.status, 201, made.text);
    const { host, port } = made.body as unknown as { host: string; port: number };
    assert.equal(host, '127.0.0.1');
    const { connect } = await import('node:net');
    const socket = connect(port, host);
    socket.end('hello');
    assert.equal(Buffer.concat(await Array.fromAsync(socket)).toString(), 'helloEND');
    assert.equal((await ask('GET', `/api/sandboxes/${id}/ports`)).body.items.length, 1);
    assert.equal((await ask('POST', `/api/sandboxes/${id}/ports`, { guestPort: 22 })).status, 400);
    assert.equal(
      (await ask('POST', `/api/sandboxes/${id}/ports`, { guestPort: 8080, port: 40_123 })).status,
      403,
    );
    assert.equal((await ask('DELETE', `/api/sandboxes/${id}/ports/8080`)).status, 204);
    await assert.rejects(
      new Promise((resolve, reject) => connect(port, host, () => resolve(1)).on('error', reject)),
    );
    await end(id);
  });

  test('a port is reached without one of the host', async () => {
    const id = await make({ policy: listening });
    const guest = await GuestSocket.open(service.address, `/api/sandboxes/${id}/spawn`, key);
    guest.say({ argv: ['python3', '-c', echo] });
    await guest.until('up');
    const tunnel = await open(`/api/sandboxes/${id}/ports/8080`);
    const bytes = Buffer.alloc(4_000_000, 'abc');
    for (let at = 0; at < bytes.length; at += 500_000)
      tunnel.socket.send(bytes.subarray(at, at + 500_000));
    tunnel.socket.send('{"type":"end"}');
    assert.equal(await tunnel.closed, 1000);
    assert.deepEqual(tunnel.received(), Buffer.concat([bytes, Buffer.from('END')]));
    assert.deepEqual(tunnel.texts, ['{"type":"open"}', '{"type":"end"}']);
    // Its client goes in the middle: the guest sees the end.
    const left = await open(`/api/sandboxes/${id}/ports/8080`);
    left.socket.send('x');
    left.socket.terminate();
    const again = await open(`/api/sandboxes/${id}/ports/8080`);
    again.socket.send(Buffer.from('y'));
    again.socket.send('{"type":"end"}');
    await again.closed;
    assert.equal(String(again.received()), 'yEND');
    const closed = await open(`/api/sandboxes/${id}/ports/22`);
    assert.equal(await closed.closed, 1000);
    assert.match(closed.texts[0] ?? '', /REQUEST_INVALID/);
    const bad = await open(`/api/sandboxes/${id}/ports/8080`);
    bad.socket.send('{"type":"start"}');
    assert.equal(await bad.closed, 1008);
    await end(id);
  });

  async function open(path: string) {
    const socket = new WebSocket(`${service.address.replace('http', 'ws')}${path}`, {
      headers: { authorization: `Bearer ${key}` },
    });
    const pieces: Buffer[] = [];
    const texts: string[] = [];
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) pieces.push(data);
      else texts.push(String(data));
    });
    socket.on('error', () => {});
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    await new Promise((resolve) => socket.once('open', resolve));
    return { socket, texts, closed, received: () => Buffer.concat(pieces) };
  }
});

describe('shells', () => {
  test('keep directory and variables, one command after the other', async () => {
    const id = await make({ policy: 'moderate', workspace: 'private' });
    const shells = `/api/sandboxes/${id}/shells`;
    const opened = await ask('POST', shells);
    assert.equal(opened.status, 201, opened.text);
    const run = async (command: string, more = {}) => {
      const { status, text } = await ask('POST', `${shells}/${opened.body.id}`, {
        command,
        ...more,
      });
      assert.equal(status, 200, text);
      return JSON.parse(text);
    };
    assert.equal((await run('mkdir -p a && cd a; x=7; echo out; echo err >&2; false')).code, 1);
    const second = await run('echo $x; pwd');
    assert.match(second.stdout.text, /^7\n.*\/a\n$/);
    const both = await Promise.all([run('sleep 0.2; echo 1'), run('echo 2')]);
    assert.deepEqual(
      both.map(({ stdout }) => stdout.text),
      ['1\n', '2\n'],
    );
    assert.equal((await run('sleep 9', { timeoutMs: 100 })).kind, 'timed-out');
    assert.equal((await run('pwd')).code, 0);
    assert.equal((await ask('GET', shells)).body.items.length, 1);
    assert.equal(
      (await ask('POST', `${shells}/${opened.body.id}`, { command: 'a\0b' })).status,
      400,
    );
    assert.equal((await ask('DELETE', `${shells}/${opened.body.id}`)).status, 204);
    assert.equal(
      (await ask('POST', `${shells}/${opened.body.id}`, { command: 'true' })).status,
      404,
    );
    for (let i = 0; i < 16; i++) assert.equal((await ask('POST', shells)).status, 201);
    assert.equal((await ask('POST', shells)).status, 429);
    await end(id);
  });
});

describe('violations and usage', () => {
  test('are told of each sandbox', async () => {
    const id = await make({
      policy: { level: 'strict', network: { mode: 'filtered', allow: ['one.example:443'] } },
    });
    if (python) {
      const script =
        'import socket\ntry: socket.create_connection(("two.example", 443), 2)\nexcept OSError: pass';
      await ask('POST', `/api/sandboxes/${id}/exec`, { argv: ['python3', '-c', script] });
      const told = () => ask('GET', `/api/sandboxes/${id}/violations`);
      // The proxy tells it, and not the launcher, which tells that the command has ended.
      await until('two.example is told of', async () =>
        (await told()).text.includes('two.example'),
      );
      const { body } = await told();
      assert.ok(body.items.every((each) => typeof (each as { atMs?: number }).atMs === 'number'));
    }
    const usage = await ask('GET', `/api/sandboxes/${id}/usage`);
    assert.ok((usage.body as unknown as { wallMs: number }).wallMs > 0, usage.text);
    await end(id);
    assert.equal((await ask('GET', `/api/sandboxes/${id}/usage`)).status, 409);
    assert.equal((await ask('GET', `/api/sandboxes/${id}/violations`)).status, 200);
  });
});

test('the service ends, whatever its streams are at', async () => {
  const other = await served({ audit: { enabled: false } });
  const its = await other.key('developer');
  const { body } = await other.ask('POST', '/api/sandboxes', { key: its, body: {} });
  const path = `/api/sandboxes/${(body as Any).id}`;
  const guest = await GuestSocket.open(other.address, `${path}/spawn`, its);
  guest.say({ argv: ['yes'] });
  await guest.event('started');
  // It hears nothing any more.
  guest.socket.pause();
  const headers = { authorization: `Bearer ${its}` };
  const watched = await fetch(`${other.address}${path}/files/watch?path=/tmp`, { headers });
  const events = await fetch(`${other.address}${path}/stream`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ argv: ['yes'] }),
  });
  assert.deepEqual([watched.status, events.status], [200, 200]);
  const ended = other[Symbol.asyncDispose]().then(() => 'ended');
  const late = sleep(15_000, 'it waits for its clients', { ref: false });
  assert.equal(await Promise.race([ended, late]), 'ended');
  guest.socket.terminate();
});

test('secrets come with the request, and never go inside', async () => {
  const { status, text } = await ask('POST', '/api/runs', {
    argv: ['sh', '-c', 'echo "<$TOKEN>"; env'],
    policy: {
      level: 'strict',
      network: {
        mode: 'filtered',
        allow: ['one.example:443'],
        intercept: true,
        secrets: { TOKEN: ['one.example'] },
      },
    },
    secrets: { TOKEN: 'the-value-itself' },
  });
  assert.equal(status, 200, text);
  assert.match(text, /<.{8,}>/);
  assert.ok(!text.includes('the-value-itself'));
});
