/** The manager is killed with two hundred sandboxes running: after one start nothing is left, and it is told. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { Caisson } from '../../../src/index.ts';
import { SqliteManagedStore } from '../../../src/store/sqlite-managed-store.ts';
import { Footprint } from './footprint.ts';

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
    await using caisson = await Caisson.open({ stateDirectory: state });
    await using manager = await caisson.manager();
    await footprint.assertGone(0);
    const { managers, sandboxes, left } = manager.recovered;
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

  test('another process with the number of the dead one is not taken for it', async () => {
    {
      const store = SqliteManagedStore.open(state);
      // Our own number, but another start: the manager is gone although its number runs.
      const dead = { pid: process.pid, startTime: '1' };
      const { bootId, pidNamespace } = (
        await import('../../../src/host/process-identity.ts')
      ).ownWorld();
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
