/** The service, killed, starved of its disk, without its audit log, and asked to stop while it is busy. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { processTree } from '../../bench/process-tree.ts';
import { NotedProcesses } from '../noted-processes.ts';
import { running } from '../processes.ts';
import { served } from '../server/served.ts';
import { until } from '../until.ts';
import { makeKey, ServiceProcess } from './service-process.ts';

/** What a guest writes is seen in its workspace at once. */
const POLICY = {
  version: 1,
  level: 'moderate',
  filesystem: { workspace: 'direct', write: ['.'] },
  // Else few of them fill the pool.
  limits: { memory: '128MiB' },
};
const skip = process.geteuid?.() === 0 ? false : 'needs root';

describe('a service that is killed in the middle of requests', () => {
  let state: string;
  let key: string;

  before(async () => {
    state = mkdtempSync(join(tmpdir(), 'caisson-killed-'));
    key = await makeKey(state);
  });
  const services: ServiceProcess[] = [];
  const start = async (): Promise<ServiceProcess> => {
    const service = await ServiceProcess.start(state, key);
    services.push(service);
    return service;
  };
  after(async () => {
    for (const service of services) service.child.kill('SIGKILL');
    await Promise.all(services.map(({ ended }) => ended));
    rmSync(state, { recursive: true, force: true });
  });

  test('is followed by one that knows every sandbox and leaves nothing of them', {
    skip,
  }, async () => {
    const mounts = mountsOf();
    const first = await start();
    const made: string[] = [];
    for (let i = 0; i < 4; i++) {
      const { body, status } = await first.ask('POST', '/api/sandboxes', {
        policy: POLICY,
        workspace: 'private',
        labels: { number: String(i) },
      });
      assert.equal(status, 201, JSON.stringify(body));
      made.push(body.id as string);
    }
    const running = { argv: ['sh', '-c', 'echo x > begun; sleep 300'] };
    const asked = [
      ...made.map((id) => first.ask('POST', `/api/sandboxes/${id}/exec`, running)),
      ...Array.from({ length: 4 }, () =>
        first.ask('POST', '/api/runs', { ...running, policy: POLICY, workspace: 'private' }),
      ),
      first.ask(
        'POST',
        `/api/sandboxes/${made[0]}/exec`,
        { argv: ['sleep', '300'] },
        { 'idempotency-key': 'interrupted' },
      ),
      // Killed while these are made.
      ...Array.from({ length: 6 }, () =>
        first.ask('POST', '/api/sandboxes', { policy: POLICY, workspace: 'private' }),
      ),
    ].map((each) =>
      each.then(
        () => 'answered',
        () => 'broken',
      ),
    );
    const workspaces = join(state, 'workspaces');
    const begun = () =>
      readdirSync(workspaces).filter((name) => existsSync(join(workspaces, name, 'begun')));
    await until('eight have begun', () => begun().length >= 8);
    const pids = processTree(first.pid).filter((pid) => pid !== first.pid);
    const tree = new NotedProcesses(pids);
    assert.ok(tree.size > 8, `${tree.size} processes`);
    const groups = groupsOf(pids);
    first.child.kill('SIGKILL');
    assert.equal(await first.ended, 'SIGKILL');
    assert.ok((await Promise.all(asked)).includes('broken'));

    const second = await start();
    // At once: nobody may be told of one as running that is gone.
    for (const id of made) {
      const { status, body } = await second.ask('GET', `/api/sandboxes/${id}`);
      assert.equal(status, 200, JSON.stringify(body));
      assert.ok(
        !['Initializing', 'Running', 'Paused'].includes(body.state as string),
        JSON.stringify(body),
      );
      const exec = await second.ask('POST', `/api/sandboxes/${id}/exec`, { argv: ['true'] });
      assert.deepEqual([exec.status, exec.body.code], [409, 'SANDBOX_CLOSED']);
    }
    const { body: listed } = await second.ask('GET', '/api/sandboxes?limit=1000');
    const items = listed.items as { id: string; state: string; reason?: string }[];
    assert.ok(items.length >= made.length + 4);
    for (const { state: its } of items)
      assert.ok(!['Initializing', 'Running', 'Paused'].includes(its), its);
    assert.deepEqual(readdirSync(workspaces), []);
    await until('no process is left', () => tree.left().length === 0);
    await until(
      'no control group is left',
      () => groups.filter((path) => existsSync(path)).length === 0,
    );
    await until('no mount is left', () => mountsOf() === mounts);

    const again = await second.ask(
      'POST',
      `/api/sandboxes/${made[0]}/exec`,
      { argv: ['sleep', '300'] },
      { 'idempotency-key': 'interrupted' },
    );
    assert.equal(again.status, 409, JSON.stringify(again.body));
    assert.deepEqual(
      [again.body.code, (again.body.details as { state: string }).state],
      ['CONFLICT', 'lost'],
    );
    // And it works.
    const ran = await second.ask('POST', '/api/runs', { argv: ['echo', 'well'] });
    assert.equal(ran.status, 200, JSON.stringify(ran.body));
    assert.equal(await second.stop(), 0);
    assert.deepEqual(readdirSync(workspaces), []);
  });

  test('is followed by one in which its snapshots are gone from the disk, and its violations are in the log', async () => {
    const overlays = () => readdirSync(join(state, 'overlays'));
    const first = await start();
    const { status: is, body: made } = await first.ask('POST', '/api/sandboxes', {
      policy: {
        level: 'strict',
        filesystem: { write: ['.'], workspace: 'overlay' },
        network: { mode: 'filtered', allow: ['one.example:443'] },
      },
      workspace: 'private',
    });
    assert.equal(is, 201, JSON.stringify(made));
    const path = `/api/sandboxes/${made.id}`;
    // What it asks for is refused by name; whatever else it needs is not there.
    const script = 'touch made; exec 3<>/dev/tcp/two.example/443';
    const ran = await first.ask('POST', `${path}/exec`, { argv: ['bash', '-c', script] });
    assert.equal(ran.status, 200, JSON.stringify(ran.body));
    const { status, body: snapshot } = await first.ask('POST', `${path}/snapshots`);
    assert.equal(status, 201, JSON.stringify(snapshot));
    const { body: told } = await first.ask('GET', `${path}/violations`);
    assert.match(JSON.stringify(told), /two\.example/);
    assert.equal(told.before, undefined);
    assert.equal(overlays().length, 2);
    first.child.kill('SIGKILL');
    assert.equal(await first.ended, 'SIGKILL');
    assert.equal(overlays().length, 2);

    const second = await start();
    assert.deepEqual(overlays(), []);
    const { body: none } = await second.ask('GET', '/api/snapshots');
    assert.deepEqual(none.items, []);
    const gone = await second.ask('POST', `/api/snapshots/${snapshot.id}/open`);
    assert.deepEqual([gone.status, gone.body.code], [404, 'NOT_FOUND']);
    const { body: after } = await second.ask('GET', `${path}/violations`);
    assert.deepEqual(after, { items: [], dropped: 0, before: true });
    const { body: known } = await second.ask('GET', path);
    const { body: log } = await second.ask(
      'GET',
      `/api/audit?event=violation&run=${known.sandbox}`,
    );
    assert.match(JSON.stringify(log.items), /two\.example/);

    // Nor after an end in good order.
    const { body: other } = await second.ask('POST', '/api/sandboxes', {
      policy: { level: 'moderate', filesystem: { workspace: 'overlay' } },
      workspace: 'private',
    });
    const kept = await second.ask('POST', `/api/sandboxes/${other.id}/snapshots`);
    assert.equal(kept.status, 201, JSON.stringify(kept.body));
    assert.equal(await second.stop(), 0);
    assert.deepEqual(overlays(), []);
  });

  test('again and again, at any moment, is followed by one that works', { skip }, async () => {
    const seen = new NotedProcesses();
    for (let turn = 0; turn < 6; turn++) {
      const service = await start();
      const busy = Array.from({ length: 12 }, async (_, i) => {
        for (;;) {
          const body = {
            argv: ['sh', '-c', 'echo a > a; sleep 0.05'],
            policy: POLICY,
            workspace: 'private',
          };
          const answer = await service
            .ask(
              'POST',
              i % 2 === 0 ? '/api/runs' : '/api/sandboxes',
              i % 2 === 0 ? body : { policy: POLICY, workspace: 'private' },
            )
            .catch(() => undefined);
          if (answer === undefined) return;
          if (i % 2 === 1)
            await service.ask('DELETE', `/api/sandboxes/${answer.body.id}`).catch(() => {});
        }
      });
      await sleep(150 + turn * 130);
      for (const pid of processTree(service.pid)) if (pid !== service.pid) seen.note(pid);
      service.child.kill('SIGKILL');
      await service.ended;
      await Promise.all(busy);
    }
    const last = await start();
    assert.deepEqual(readdirSync(join(state, 'workspaces')), []);
    assert.equal((await last.ask('POST', '/api/runs', { argv: ['true'] })).status, 200);
    assert.equal(await last.stop(), 0);
    await until('no process is left', () => seen.left().length === 0);
  });
});

test('asked to stop while it is busy, it answers all that it took, and refuses the rest', async () => {
  const state = mkdtempSync(join(tmpdir(), 'caisson-drained-'));
  try {
    const key = await makeKey(state);
    const service = await ServiceProcess.start(state, key);
    /** What keeps them busy, until it is ended. */
    const busy = `${60 + process.pid / 1e6}`;
    const taken = Array.from({ length: 10 }, () =>
      service.ask('POST', '/api/runs', { argv: ['sh', '-c', `sleep ${busy}; echo done`] }),
    );
    await until('all ten run', () => running('sleep', busy).length === 10);
    const ended = service.stop();
    const late: (number | 'broken')[] = [];
    for (let i = 0; i < 20; i++) {
      const answer = await service
        .ask('POST', '/api/runs', { argv: ['true'] })
        .catch(() => undefined);
      late.push(answer?.status ?? 'broken');
      await sleep(10);
    }
    for (const pid of running('sleep', busy)) process.kill(pid, 'SIGKILL');
    for (const { status, body } of await Promise.all(taken)) {
      assert.equal(status, 200, JSON.stringify(body));
      assert.equal((body.stdout as { text: string }).text, 'done\n');
    }
    assert.ok(
      late.slice(1).every((status) => status === 503 || status === 'broken'),
      `${late}`,
    );
    assert.ok(late.includes(503), `${late}`);
    assert.equal(await ended, 0);
    assert.deepEqual(readdirSync(join(state, 'workspaces')), []);
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
});

test('without its audit log it refuses to run anything, and says that it is not ready', async () => {
  const service = await served();
  const key = await service.key('developer');
  const run = () => service.ask('POST', '/api/runs', { key, body: { argv: ['true'] } });
  assert.equal((await run()).status, 200);
  rmSync(join(service.state, 'audit'), { recursive: true, force: true });
  for (let i = 0; i < 3; i++) {
    const { status, body } = await run();
    assert.equal(status, 503, JSON.stringify(body));
    assert.equal((body as { code: string }).code, 'AUDIT_UNAVAILABLE');
  }
  const create = await service.ask('POST', '/api/sandboxes', { key, body: {} });
  assert.equal(create.status, 503, create.text);
  // Nobody is given anything that nobody could look up afterwards; what is taken away is taken away.
  const operator = await service.key('operator', 'default');
  const asked = async (method: string, path: string, body?: unknown) =>
    (await service.ask(method, path, { key: operator, body })).status;
  assert.equal(await asked('POST', '/api/access/keys', { roles: ['viewer'] }), 503);
  assert.equal(await asked('POST', '/api/access/tenants', { id: 'initech' }), 503);
  assert.equal(await asked('PATCH', '/api/access/tenants/globex', { disabled: false }), 503);
  assert.equal(await asked('PATCH', '/api/access/tenants/globex', { disabled: true }), 200);
  const { items } = (await service.ask('GET', '/api/access/keys?tenant=acme', { key: operator }))
    .body as { items: { id: string }[] };
  const own = `/api/access/keys/${items[0]?.id}`;
  assert.equal(await asked('POST', `${own}/rotate`, {}), 503);
  assert.equal(await asked('DELETE', own), 200);
  assert.equal((await run()).status, 401);
  assert.equal((await service.ask('GET', '/readyz')).status, 503);
  assert.equal((await service.ask('GET', '/healthz')).status, 200);
  // What it had to write last is nowhere, and it says so.
  await assert.rejects(service.serving.stop(0), { code: 'AUDIT_UNAVAILABLE' });
  rmSync(service.state, { recursive: true, force: true });
});

test('stopped without its audit log it ends everything, and its exit code and last words say what is missing', async () => {
  const state = mkdtempSync(join(tmpdir(), 'caisson-no-audit-'));
  try {
    const service = await ServiceProcess.start(state, await makeKey(state));
    let said = '';
    service.child.stderr?.on('data', (chunk: Buffer) => {
      said += String(chunk);
    });
    const made = await service.ask('POST', '/api/sandboxes', {
      policy: { level: 'moderate', filesystem: { workspace: 'overlay' } },
      workspace: 'private',
    });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const exec = service.ask('POST', `/api/sandboxes/${made.body.id}/exec`, {
      argv: ['sh', '-c', 'touch x; sleep 300'],
    });
    const upper = () =>
      readdirSync(join(state, 'overlays')).some((name) =>
        existsSync(join(state, 'overlays', name, 'upper', 'x')),
      );
    await until('it has begun', upper);
    rmSync(join(state, 'audit'), { recursive: true });
    const tree = new NotedProcesses(processTree(service.pid));
    assert.ok(tree.size > 2, `${tree.size} processes`);
    const ended = service.stop();
    await until('it is told', () => said.includes('once more ends it now'));
    service.child.kill('SIGTERM');
    assert.equal((await exec).body.kind, 'killed');
    assert.equal(await ended, 69, said);
    assert.match(said, /caisson: the audit log cannot be written any more: .*audit.* is gone/);
    assert.doesNotMatch(said, /unhandled|Unhandled|\n {4}at /);
    assert.deepEqual(tree.left(), []);
    for (const name of ['workspaces', 'overlays']) {
      assert.deepEqual(readdirSync(join(state, name)), []);
    }
    // Nothing holds the next one up but what is missing.
    const next = await ServiceProcess.start(state, await makeKey(state));
    assert.equal(await next.stop(), 0);
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
});

test('with a full disk it refuses with a code; with room again nothing is corrupted', {
  skip,
}, async () => {
  const disk = mkdtempSync(join(tmpdir(), 'caisson-full-'));
  const state = join(disk, 'state');
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=700', 'tmpfs', disk]);
  try {
    const statuses: string[] = [];
    {
      mkdirSync(state, { mode: 0o700 });
      await using service = await served({}, { state });
      const key = await service.key('admin');
      const filler = join(disk, 'filler');
      const store = (i: number) =>
        service.ask('PUT', `/api/policies/p${i}`, { key, body: { version: 1, level: 'strict' } });
      assert.equal((await store(0)).status, 201);
      const { bavail, bsize } = statfsSync(disk);
      writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - 4096)));
      try {
        for (let i = 1; ; i++) {
          writeFileSync(`${filler}${i}`, Buffer.alloc(1024));
        }
      } catch {
        // Full.
      }
      for (let i = 1; i < 12; i++) {
        for (const answer of [
          await store(i),
          await service.ask('POST', '/api/runs', { key, body: { argv: ['true'] } }),
          await service.ask('POST', '/api/sandboxes', {
            key,
            body: { workspace: 'private', policy: POLICY },
          }),
        ]) {
          const { code = 'done' } = answer.body as { code?: string };
          statuses.push(`${answer.status} ${code}`);
          assert.ok(
            answer.status < 300 ||
              ['STORE_UNUSABLE', 'AUDIT_UNAVAILABLE'].includes(code) ||
              answer.status < 500,
            answer.text,
          );
        }
      }
      assert.ok(
        statuses.some((each) => /STORE_UNUSABLE|AUDIT_UNAVAILABLE/.test(each)),
        statuses.join(', '),
      );
      for (const name of readdirSync(disk)) if (name.startsWith('filler')) rmSync(join(disk, name));
      // Its end removes the directory: what is there then is looked at.
      await service.serving.stop(0).catch(() => {});
      execFileSync('cp', ['-a', state, join(disk, 'kept')]);
    }
    renameSync(join(disk, 'kept'), state);
    await using again = await served({}, { state });
    const key = await again.key('admin');
    assert.equal((await again.ask('GET', '/api/policies/p0', { key })).status, 200);
    const ran = await again.ask('POST', '/api/runs', { key, body: { argv: ['echo', 'well'] } });
    assert.match(ran.text, /well/);
  } finally {
    execFileSync('umount', ['-l', disk]);
    rmSync(disk, { recursive: true, force: true });
  }
});

function mountsOf(): string {
  return execFileSync('sh', ['-c', "cut -d' ' -f4,5 /proc/self/mountinfo | sort"], {
    encoding: 'utf8',
  });
}

/** Of the launchers among them, which name their groups after themselves. */
function groupsOf(pids: readonly number[]): string[] {
  const found = execFileSync(
    'find',
    ['/sys/fs/cgroup', '-maxdepth', '3', '-type', 'd', '-name', 'caisson-*'],
    { encoding: 'utf8' },
  );
  return found.split('\n').filter((path) => pids.some((pid) => path.includes(`caisson-${pid}-`)));
}
