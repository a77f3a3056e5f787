/** One command of a manager, paused, gone on with, killed and timed out; asked of what the guest does on the host's side. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Caisson,
  type ManagedInfo,
  type ObservedEvent,
  type Outcome,
  policyFromDocument,
  type SandboxManager,
} from '../../../src/index.ts';
import { until } from '../../until.ts';
import { Footprint } from './footprint.ts';

const needs = { root: process.geteuid?.() === 0 ? false : 'needs root' } as const;
const directory = mkdtempSync(join(tmpdir(), 'caisson-paused-'));
chmodSync(directory, 0o755);
after(() => rmSync(directory, { recursive: true }));

const document = {
  version: 1,
  name: 'paused',
  level: 'strict',
  filesystem: { write: ['$workspace'], workspace: 'direct' },
  limits: { memory: '64MiB', timeout: '2m' },
} as const;
const policy = policyFromDocument(document);
/** For runs without a workspace. */
const bare = policyFromDocument({
  version: 1,
  name: 'bare',
  level: 'strict',
  limits: { memory: '64MiB', timeout: '2m' },
});
const TICK = ['sh', '-c', 'while :; do printf x >> ticks; sleep 0.01; done'];

interface Room {
  readonly manager: SandboxManager;
  readonly caisson: Caisson;
  readonly footprint: Footprint;
  /** A run that ticks, once it does. */
  tick(options?: Parameters<SandboxManager['run']>[1]): Promise<{
    readonly id: string;
    readonly outcome: Promise<Outcome>;
    ticks(): number;
  }>;
}

async function withManager(use: (room: Room) => Promise<void>): Promise<void> {
  const footprint = new Footprint();
  {
    const stateDirectory = mkdtempSync(join(directory, 's-'));
    await using caisson = await Caisson.open({ stateDirectory });
    await using manager = await caisson.manager();
    let number = 0;
    const tick: Room['tick'] = async (options = {}) => {
      const workspace = mkdtempSync(join(directory, 'workspace-'));
      const file = join(workspace, 'ticks');
      writeFileSync(file, '');
      chmodSync(file, 0o666);
      const labels = { number: String(number++) };
      const outcome = manager.run(TICK, { policy, workspace, labels, ...options });
      outcome.catch(() => {});
      const ticks = (): number => statSync(file).size;
      await until('it ticks', () => ticks() > 0);
      return { id: manager.list({ labels })[0]?.id ?? '', outcome, ticks };
    };
    await use({ manager, caisson, footprint, tick });
    footprint.note();
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

async function stands(ticks: () => number): Promise<boolean> {
  const before = ticks();
  await sleep(300);
  return ticks() === before;
}

describe('a managed run', { skip: needs.root }, () => {
  test('paused it stands still, resumed it goes on, killed while paused it never moves again', () =>
    withManager(async ({ manager, caisson, footprint, tick }) => {
      using monitor = await caisson.monitor();
      const { id, outcome, ticks } = await tick();
      assert.ok(await grows(ticks));
      await manager.pause(id);
      const info = manager.inspect(id);
      assert.equal(info.state, 'Paused');
      assert.ok(await stands(ticks), 'a paused run runs');
      const [sample] = (await monitor.snapshot()).sandboxes;
      assert.deepEqual([sample?.id, sample?.frozen], [info.sandbox, true]);
      await assert.rejects(manager.pause(id), { code: 'REQUEST_INVALID' });
      await manager.resume(id);
      assert.ok(await grows(ticks), 'a resumed run stands');
      await assert.rejects(manager.resume(id), { code: 'REQUEST_INVALID' });
      const usage = await manager.inspect(id).usage();
      assert.ok((usage?.cpuUserMs ?? 0) > 0 && (usage?.memoryPeakBytes ?? 0) > 0);

      await manager.pause(id);
      footprint.note();
      const before = ticks();
      assert.equal((await manager.kill(id)).state, 'Killed');
      await assert.rejects(outcome, { code: 'ABORTED' });
      assert.equal(ticks(), before, 'it ran on before it was killed');
      assert.equal(await manager.inspect(id).usage(), undefined);
      await assert.rejects(manager.pause(id), { code: 'REQUEST_INVALID' });
      assert.equal(manager.load().running, 0);
    }));

  test('its outcome bears the name that it was listed by', () =>
    withManager(async ({ manager }) => {
      const { auditId } = await manager.run(['true'], { policy: bare });
      assert.equal(manager.list()[0]?.sandbox, auditId);
    }));

  test('paused time counts: its limit ends it where it stands', () =>
    withManager(async ({ manager, tick }) => {
      for (const limit of [{ timeoutMs: 3000 }, { ttlMs: 3000 }]) {
        const { id, outcome, ticks } = await tick(limit);
        await manager.pause(id);
        const before = ticks();
        const { kind, clock } = await outcome;
        assert.deepEqual([kind, clock], ['timed-out', 'wall']);
        assert.equal(manager.inspect(id).state, 'TimedOut');
        assert.equal(ticks(), before);
      }
      assert.equal(manager.load().running, 0);
      // The same places again: nothing that comes into them stands still.
      const next = await Promise.all(
        Array.from({ length: 8 }, () => manager.run(['echo', 'on'], { policy: bare })),
      );
      assert.ok(next.every(({ stdout }) => stdout.text === 'on\n'));
    }));

  test('paused where the guest sees the host, and killed', () =>
    withManager(async ({ manager, tick }) => {
      const basic = policyFromDocument({ version: 1, name: 'basic', level: 'basic' });
      const { id, outcome, ticks } = await tick({ policy: basic });
      await manager.pause(id);
      assert.ok(await stands(ticks));
      const before = ticks();
      await manager.kill(id);
      await assert.rejects(outcome, { code: 'ABORTED' });
      assert.equal(ticks(), before);
      const next = await manager.run(['echo', 'on'], { policy: basic });
      assert.equal(next.stdout.text, 'on\n');
    }));

  test('without a control group it is refused by name, and runs on', () =>
    withManager(async ({ manager, tick }) => {
      const none = policyFromDocument({
        version: 1,
        name: 'without groups',
        level: 'basic',
        limits: { memory: null, processes: null, cpu: null },
      });
      const { id, outcome, ticks } = await tick({ policy: none });
      await assert.rejects(manager.pause(id), {
        code: 'REQUEST_INVALID',
        message: /control group/,
      });
      assert.equal(manager.inspect(id).state, 'Running');
      assert.ok(await grows(ticks), 'it stands after a refusal');
      assert.ok((await manager.inspect(id).usage()) !== undefined);
      await manager.kill(id);
      await assert.rejects(outcome, { code: 'ABORTED' });
    }));

  test('pause, resume, kill and the end race: each says what it found, and all comes to an end', () =>
    withManager(async ({ manager, footprint }) => {
      const settled: PromiseSettledResult<unknown>[] = [];
      const runs = Array.from({ length: 60 }, async (_, i) => {
        const labels = { race: String(i) };
        const run = manager.run(['sleep', i % 3 === 0 ? '0.05' : '30'], { policy: bare, labels });
        run.catch(() => {});
        let info: ManagedInfo | undefined;
        while (info === undefined) {
          info = manager.list({ labels })[0];
          await sleep(1);
        }
        const { id } = info;
        await sleep(Math.random() * 60);
        settled.push(
          ...(await Promise.allSettled([
            manager.pause(id),
            manager.resume(id),
            ...(i % 2 === 0 ? [manager.pause(id)] : []),
            sleep(Math.random() * 40).then(() => (i % 3 === 0 ? undefined : manager.kill(id))),
          ])),
        );
        // What was left paused and ends by itself has to be gone on with.
        if (i % 3 === 0) await manager.resume(id).catch(() => {});
        await run.catch(() => {});
        return manager.inspect(id).state;
      });
      footprint.note();
      const states = await Promise.all(runs);
      assert.deepEqual([...new Set(states)].sort(), ['Completed', 'Killed']);
      const codes = settled.flatMap((each) =>
        each.status === 'rejected' ? [`${each.reason.code}: ${each.reason.message}`] : [],
      );
      assert.deepEqual(
        codes.filter((code) => !code.startsWith('REQUEST_INVALID')),
        [],
      );
      assert.deepEqual([manager.load().running, manager.load().waiting], [0, 0]);
    }));

  test('closed with 50 waiting and one paused: each is told, nothing is left', () =>
    withManager(async ({ caisson, footprint }) => {
      const told: ObservedEvent[] = [];
      const manager = await caisson.manager({
        pool: { concurrency: 2, memoryBytes: null },
        observer: (event) => void told.push(event),
      });
      const runs = Array.from({ length: 52 }, () => manager.run(['sleep', '60'], { policy: bare }));
      for (const run of runs) run.catch(() => {});
      await until('50 wait', () => manager.load().waiting >= 50);
      const [first] = manager.list({ state: 'Running' });
      await manager.pause(first?.id ?? '');
      footprint.note();
      const ids = manager.list().map(({ id }) => id);
      await manager.close();
      const ends = await Promise.allSettled(runs);
      assert.ok(ends.every((each) => each.status === 'rejected' && each.reason.code === 'ABORTED'));
      // Ended once each, and its id is nobody else's.
      assert.equal(new Set(ids).size, 52);
      for (const id of ids) {
        const states = told.flatMap((event) =>
          event.kind === 'state' && event.id === id ? [event.state] : [],
        );
        assert.deepEqual(
          states.filter((state) => state === 'Killed'),
          ['Killed'],
        );
      }
      assert.deepEqual(manager.list({ state: ['Running', 'Paused', 'Initializing'] }), []);
      assert.equal(manager.inspect(first?.id ?? '').state, 'Killed');
      await assert.rejects(manager.pause(first?.id ?? ''), { code: 'REQUEST_INVALID' });
    }));
});

/** The v2 hierarchy beside version 1, where no controller lives: what stands in it is frozen by it. */
function unifiedMount(): string | undefined {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const hasFreezer = lines.some((line) => / - cgroup \S+ \S*\bfreezer\b/.test(line));
  return hasFreezer ? lines.find((line) => / - cgroup2 /.test(line))?.split(' ')[4] : undefined;
}

const unified = unifiedMount();
const isInside = process.env.CAISSON_TEST_WITHOUT_V2 !== undefined;

test('where version 2 is not mounted version 1’s freezer does the same', {
  skip: needs.root || isInside || (unified === undefined ? 'needs the v1 freezer' : false),
}, () => {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const script = 'umount "$0" && exec "$@"';
  const command = [process.execPath, '--test', '--test-timeout=60000', import.meta.filename];
  const { status, stdout } = spawnSync(
    'unshare',
    ['--mount', '--propagation', 'private', 'sh', '-c', script, unified ?? '', ...command],
    { env: { ...env, CAISSON_TEST_WITHOUT_V2: '1' }, encoding: 'utf8', timeout: 120_000 },
  );
  assert.equal(status, 0, stdout);
});
