/** The manager is killed with two hundred sandboxes running: after one start nothing is left, and it is told. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { identityOf, ownWorld } from '../../../src/host/process-identity.ts';
import { AuditLog, Caisson, readLog } from '../../../src/index.ts';
import { recover } from '../../../src/sandbox/manager/recovery.ts';
import { SqliteManagedStore } from '../../../src/store/sqlite-managed-store.ts';
import { Footprint } from './footprint.ts';

/** Where version 1's freezer is mounted. */
const freezer = readFileSync('/proc/self/mountinfo', 'utf8')
  .split('\n')
  .find((line) => / - cgroup \S+ \S*\bfreezer\b/.test(line))
  ?.split(' ')[4];
const needs = { root: process.geteuid?.() === 0 ? false : 'needs root' } as const;

describe('a manager that is killed', { skip: needs.root }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'caisson-death-'));
  let state = '';
  let count = 0;
  beforeEach(() => {
    state = join(directory, String(count++));
    mkdirSync(state, { mode: 0o700 });
  });
  after(() => rmSync(directory, { recursive: true }));

  /** A manager in another process, full of sandboxes. */
  async function fill(
    sandboxes: number,
    keep = '',
  ): Promise<{ child: ChildProcess; footprint: Footprint }> {
    const program = join(import.meta.dirname, 'dying-manager.ts');
    const child = spawn(process.execPath, [program, state, String(sandboxes), keep], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = await Promise.race([
      once(child.stdout as NodeJS.EventEmitter, 'data'),
      once(child, 'exit'),
    ]);
    assert.equal(String(said), 'ready\n');
    const footprint = new Footprint(child.pid);
    const seen = footprint.note();
    assert.equal(seen.launchers, 1);
    assert.ok(seen.processes > 2 * sandboxes && seen.groups >= sandboxes, JSON.stringify(seen));
    return { child, footprint };
  }

  /** Its exit is waited for, nothing of what hangs on it. */
  async function kill(child: ChildProcess): Promise<void> {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  test('200 sandboxes: the next start finds nothing alive, and reports each', async () => {
    const { child, footprint } = await fill(200);
    await kill(child);
    const path = join(state, 'audit');
    await using audit = await AuditLog.open({ directory: path });
    await using caisson = await Caisson.open({ stateDirectory: state, audit });
    await using manager = await caisson.manager();
    await footprint.assertGone(0);
    const { managers, sandboxes, left } = manager.recovered;
    await audit.flush();
    const recorded = [...readLog(path, { events: ['state'] })].map(({ run }) => run);
    assert.deepEqual(recorded.sort(), sandboxes.map(({ id }) => id).sort());
    assert.deepEqual([managers.length, left], [1, []]);
    const were = sandboxes.map(({ was }) => was);
    const counts = (state: string): number => were.filter((was) => was === state).length;
    assert.deepEqual(
      [counts('Running'), counts('Paused'), counts('Initializing'), sandboxes.length],
      [199, 1, 1, 201],
    );
    assert.ok(sandboxes.every(({ fate, labels }) => fate === 'destroyed' && labels.of === 'dying'));
    assert.equal((await manager.run(['echo', 'on'])).stdout.text, 'on\n');
  });

  test('its launcher killed in the same moment: what it could not remove is removed', async () => {
    const { child, footprint } = await fill(20);
    const [launcher = 0] = footprint.launchers();
    process.kill(launcher, 'SIGKILL');
    await kill(child);
    await using caisson = await Caisson.open({ stateDirectory: state });
    await using manager = await caisson.manager();
    // The dead may have to be reaped yet, by the machine's own init.
    await footprint.assertGone();
    assert.deepEqual([manager.recovered.sandboxes.length, manager.recovered.left], [21, []]);
    const groups = manager.recovered.removed.filter((path) => path.startsWith('/sys/fs/cgroup/'));
    assert.ok(groups.some((path) => path.includes(`caisson-${launcher}-`)));
  });

  test('its launcher was stopped: it is woken, and takes everything down', async () => {
    const { child, footprint } = await fill(6);
    const [launcher = 0] = footprint.launchers();
    process.kill(launcher, 'SIGSTOP');
    await kill(child);
    await using caisson = await Caisson.open({ stateDirectory: state });
    await using manager = await caisson.manager();
    await footprint.assertGone();
    assert.deepEqual([manager.recovered.sandboxes.length, manager.recovered.left], [7, []]);
  });

  test('changes of a sandbox that died with it are gone', async () => {
    const { child, footprint } = await fill(2);
    await kill(child);
    const overlays = join(state, 'overlays');
    assert.equal(readdirSync(overlays).length, 1);
    await using caisson = await Caisson.open({ stateDirectory: state });
    await using manager = await caisson.manager();
    await footprint.assertGone(0);
    assert.deepEqual(readdirSync(overlays), []);
    assert.equal(manager.recovered.removed.filter((path) => path.startsWith(overlays)).length, 1);
  });

  test('changes that were to be kept are kept', async () => {
    const { child } = await fill(4, 'keep');
    await kill(child);
    await using caisson = await Caisson.open({ stateDirectory: state });
    await using manager = await caisson.manager();
    assert.equal(manager.recovered.sandboxes.length, 5);
    const pending = await caisson.pendingChanges();
    assert.equal(pending.length, 1);
    assert.deepEqual(readdirSync(join(state, 'overlays')), [pending[0]?.id]);
  });

  test('nothing is reported twice, nor anything of a manager that lives', async () => {
    const { child } = await fill(2);
    await using caisson = await Caisson.open({ stateDirectory: state });
    {
      await using manager = await caisson.manager();
      assert.deepEqual(manager.recovered.managers, []);
      await kill(child);
    }
    {
      await using manager = await caisson.manager();
      assert.equal(manager.recovered.sandboxes.length, 3);
    }
    await using manager = await caisson.manager();
    assert.deepEqual(manager.recovered.sandboxes, []);
  });

  test('what does not end is left, and said to be; it is not called destroyed', {
    skip: freezer === undefined ? 'needs the v1 freezer' : false,
  }, async () => {
    // Of version 1's freezer not even SIGKILL takes a process, until it is thawed.
    const group = join(freezer ?? '', `stuck-${process.pid}`);
    const stuck = spawn('sleep', ['1000']);
    const ended = once(stuck, 'exit');
    const identity = identityOf(stuck.pid ?? 0);
    assert.ok(identity !== undefined);
    mkdirSync(group);
    try {
      writeFileSync(join(group, 'cgroup.procs'), String(stuck.pid));
      writeFileSync(join(group, 'freezer.state'), 'FROZEN');
      await using store = Object.assign(SqliteManagedStore.open(state), {
        async [Symbol.asyncDispose]() {
          await store.close();
        },
      });
      const dead = { pid: process.pid, startTime: '1' };
      const world = { ...ownWorld(), launchers: [], openedMs: 0 };
      const record = {
        kind: 'run' as const,
        state: 'Paused' as const,
        tenant: '',
        labels: {},
        priority: 0,
        policyDigest: 'd',
        createdMs: 0,
        createdMonotonicMs: 0,
      };
      await store.putManager({ id: 'a', process: dead, ...world });
      await store.putManager({ id: 'b', process: dead, ...world });
      await store.put({ ...record, id: '1', manager: 'a', process: identity });
      await store.put({ ...record, id: '2', manager: 'b', process: dead });
      const told: string[] = [];
      const { sandboxes, left } = await recover({
        store,
        recorded: async () => {},
        observer: (event) => told.push(`${event.id} ${'reason' in event ? event.reason : ''}`),
        discard: async () => [],
        patienceMs: 200,
      });
      assert.deepEqual(
        sandboxes.map(({ id, was, fate }) => [id, was, fate]),
        [
          ['1', 'Paused', 'left'],
          ['2', 'Paused', 'destroyed'],
        ],
      );
      assert.ok(left.includes(`process ${stuck.pid}`));
      const ended = 'its manager ended while it was Paused';
      assert.deepEqual(told, [`1 ${ended}; something of it does not end`, `2 ${ended}`]);
    } finally {
      writeFileSync(join(group, 'freezer.state'), 'THAWED');
      stuck.kill('SIGKILL');
      await ended;
      rmdirSync(group);
    }
  });

  test('another process with the number of the dead one is not taken for it', async () => {
    {
      const store = SqliteManagedStore.open(state);
      // Our own number, but another start: the manager is gone although its number runs.
      const dead = { pid: process.pid, startTime: '1' };
      const { bootId, pidNamespace } = ownWorld();
      const world = { bootId, pidNamespace, launchers: [dead], openedMs: 0 };
      await store.putManager({ id: 'a', process: dead, ...world });
      await store.putManager({ id: 'b', process: dead, ...world, bootId: 'another' });
      await store.putManager({ id: 'c', process: dead, ...world, pidNamespace: '1' });
      await store.close();
    }
    await using caisson = await Caisson.open({ stateDirectory: state });
    await using manager = await caisson.manager();
    // Of the third, in another pid namespace, nothing can be said.
    assert.deepEqual(manager.recovered.managers, ['a', 'b']);
    assert.ok(existsSync(join(state, 'sandboxes.db')));
  });
});
