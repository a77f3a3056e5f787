/** Managed sandboxes that stay: paused, gone on with, killed, timed out; asked of what the guest does on the host's side. */
import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Caisson, policyFromDocument, type SandboxManager } from '../../../src/index.ts';
import { until } from '../../until.ts';
import { Footprint } from './footprint.ts';

const needs = { root: process.geteuid?.() === 0 ? false : 'needs root' } as const;
const directory = mkdtempSync(join(tmpdir(), 'caisson-kept-'));
chmodSync(directory, 0o755);
after(() => rmSync(directory, { recursive: true }));

const policy = policyFromDocument({
  version: 1,
  name: 'kept',
  level: 'strict',
  filesystem: { write: ['$workspace'], workspace: 'direct' },
  limits: { memory: '64MiB', timeout: '2m' },
});
/** For runs without a workspace. */
const bare = policyFromDocument({ version: 1, name: 'bare', level: 'strict' });
/** Grows by a byte each 10 ms for as long as the guest runs. */
const TICK = ['sh', '-c', 'while :; do printf x >> ticks; sleep 0.01; done'];

interface Room {
  readonly manager: SandboxManager;
  readonly workspace: string;
  readonly footprint: Footprint;
  ticks(): number;
}

async function withManager(use: (room: Room) => Promise<void>): Promise<void> {
  const footprint = new Footprint();
  {
    const workspace = mkdtempSync(join(directory, 'workspace-'));
    const ticks = join(workspace, 'ticks');
    appendFileSync(ticks, '');
    chmodSync(ticks, 0o666);
    await using caisson = await Caisson.open({
      stateDirectory: mkdtempSync(join(directory, 's-')),
    });
    await using manager = await caisson.manager();
    await use({ manager, workspace, footprint, ticks: () => statSync(ticks).size });
  }
  await footprint.assertGone();
}

async function grows(ticks: () => number): Promise<boolean> {
  const before = ticks();
  for (let i = 0; i < 100; i++) {
    await sleep(20);
    if (ticks() > before) return true;
  }
  return false;
}

/** Frames already under way may still take effect for a moment. */
async function stands(ticks: () => number): Promise<boolean> {
  await sleep(100);
  const before = ticks();
  await sleep(300);
  return ticks() === before;
}

describe('a managed sandbox', { skip: needs.root }, () => {
  test('paused it stands still, resumed it goes on, killed while paused it never moves again', () =>
    withManager(async ({ manager, workspace, footprint, ticks }) => {
      const sandbox = await manager.create({ policy, workspace });
      const running = sandbox.exec(TICK);
      running.catch(() => {});
      assert.ok(await grows(ticks));
      await sandbox.pause();
      assert.equal(manager.inspect(sandbox.id).state, 'Paused');
      assert.ok(await stands(ticks), 'a paused guest runs');
      await assert.rejects(sandbox.pause(), { code: 'REQUEST_INVALID' });
      await sandbox.resume();
      assert.equal(sandbox.state, 'Running');
      assert.ok(await grows(ticks), 'a resumed guest stands');
      await assert.rejects(sandbox.resume(), { code: 'REQUEST_INVALID' });

      const shell = sandbox.shell();
      await shell.run('true');
      await sandbox.pause();
      assert.ok(await stands(ticks));
      footprint.note();
      const before = ticks();
      const info = await manager.kill(sandbox.id);
      assert.equal(info.state, 'Killed');
      assert.equal(ticks(), before, 'it ran on before it was killed');
      await assert.rejects(sandbox.exec(['true']), { code: 'SANDBOX_CLOSED' });
      await assert.rejects(manager.pause(sandbox.id), { code: 'REQUEST_INVALID' });
      assert.equal(manager.load().running, 0);
    }));

  test('killed while paused, also where the guest sees the host', () =>
    withManager(async ({ manager, workspace, ticks }) => {
      const basic = policyFromDocument({ version: 1, name: 'basic', level: 'basic' });
      const sandbox = await manager.create({ policy: basic, workspace });
      sandbox.exec(TICK).catch(() => {});
      assert.ok(await grows(ticks));
      await sandbox.pause();
      assert.ok(await stands(ticks));
      const before = ticks();
      assert.equal((await manager.kill(sandbox.id)).state, 'Killed');
      assert.equal(ticks(), before);
      const next = await manager.run(['echo', 'on'], { policy: basic, workspace });
      assert.equal(next.stdout.text, 'on\n');
    }));

  test('its time to live ends it, also while it is paused', () =>
    withManager(async ({ manager, workspace, ticks }) => {
      const sandbox = await manager.create({ policy, workspace, ttlMs: 3000 });
      sandbox.exec(TICK).catch(() => {});
      assert.ok(await grows(ticks));
      await sandbox.pause();
      const info = await manager.wait(sandbox.id);
      assert.deepEqual([info.state, info.remainingMs], ['TimedOut', 0]);
      assert.match(info.reason ?? '', /time to live/);
    }));

  test('it is idle when nothing is asked of it, not while a command runs or it is paused', () =>
    withManager(async ({ manager, workspace }) => {
      const sandbox = await manager.create({ policy, workspace, idleTimeoutMs: 1500 });
      await sandbox.exec(['sleep', '2']);
      await sandbox.pause();
      await sleep(2000);
      await sandbox.resume();
      for (let i = 0; i < 4; i++) {
        await sleep(500);
        await sandbox.files.write('note', 'x');
      }
      assert.equal(sandbox.state, 'Running');
      const info = await manager.wait(sandbox.id);
      assert.equal(info.state, 'TimedOut');
      assert.match(info.reason ?? '', /nothing was asked/);
    }));

  test('a run’s time to live is a limit of the run, and its outcome says so', () =>
    withManager(async ({ manager }) => {
      const outcome = await manager.run(['sleep', '60'], { policy: bare, ttlMs: 200 });
      assert.deepEqual([outcome.kind, outcome.clock], ['timed-out', 'wall']);
      assert.equal(manager.list()[0]?.state, 'TimedOut');
    }));

  test('the outcome of a run decides its state', () =>
    withManager(async ({ manager }) => {
      await manager.run(['false'], { policy: bare });
      await manager.run(['sh', '-c', 'kill -SEGV $$'], { policy: bare });
      const states = manager.list().map(({ state, reason }) => [state, reason]);
      assert.deepEqual(states, [
        ['Completed', 'exit code 1'],
        ['Failed', 'signaled SIGSEGV'],
      ]);
    }));

  test('a killed run is gone, and its place is another’s', () =>
    withManager(async ({ manager, workspace, ticks }) => {
      const run = manager.run(TICK, { policy, workspace });
      run.catch(() => {});
      assert.ok(await grows(ticks));
      const [info] = manager.list();
      await manager.kill(info?.id ?? '', 'enough');
      await assert.rejects(run, { code: 'ABORTED', message: /enough/ });
      assert.ok(await stands(ticks));
    }));

  test('usage is told of what is open', () =>
    withManager(async ({ manager, workspace }) => {
      await using sandbox = await manager.create({ policy, workspace, labels: { a: 'b' } });
      await sandbox.exec(['sh', '-c', 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done']);
      const [info] = manager.list({ labels: { a: 'b' }, state: ['Running', 'Paused'] });
      const usage = await info?.usage();
      assert.ok((usage?.cpuUserMs ?? 0) + (usage?.cpuSystemMs ?? 0) > 0);
      await sandbox.close();
      assert.equal(manager.inspect(sandbox.id).state, 'Completed');
      assert.equal(await manager.inspect(sandbox.id).usage(), undefined);
    }));

  test('when its launcher is killed it has failed, and the next one runs', () =>
    withManager(async ({ manager, workspace, footprint }) => {
      const sandbox = await manager.create({ policy, workspace });
      footprint.note();
      for (const pid of footprint.launchers()) process.kill(pid, 'SIGKILL');
      const info = await manager.wait(sandbox.id);
      assert.equal(info.state, 'Failed');
      assert.match(info.reason ?? '', /launcher/);
      const outcome = await manager.run(['echo', 'on'], { policy: bare });
      assert.equal(outcome.stdout.text, 'on\n');
    }));

  test('kinds that are wanted are kept warm: the next run finds its sandbox ready', () =>
    withManager(async ({ footprint }) => {
      await using caisson = await Caisson.open({
        stateDirectory: mkdtempSync(join(directory, 's-')),
      });
      await using manager = await caisson.manager({ warmSlots: 3 });
      await manager.run(['true'], { policy: bare });
      // Three sandboxes that wait for a job, each in namespaces of its own: after the run there would be none.
      const namespaces = (): number => footprint.note().namespaces;
      await until(
        () => `15 namespaces, and not ${namespaces()}`,
        () => namespaces() >= 15,
      );
    }));
});
