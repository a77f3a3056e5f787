/** The manager's decisions, over a host whose runs end when the test says so: nothing here takes time or starts a process. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { CaissonError } from '../../../src/core/error.ts';
import type { Outcome } from '../../../src/core/outcome.ts';
import type { ObservedEvent, Recorder } from '../../../src/core/ports.ts';
import { policyFromDocument } from '../../../src/policy/parse.ts';
import { Entry } from '../../../src/sandbox/manager/entry.ts';
import type { ManagerHost } from '../../../src/sandbox/manager/manager-host.ts';
import type { ManagerOptions } from '../../../src/sandbox/manager/manager-options.ts';
import { NOTHING } from '../../../src/sandbox/manager/resources.ts';
import { SandboxManager } from '../../../src/sandbox/manager/sandbox-manager.ts';
import {
  isFinal,
  SANDBOX_STATES,
  type SandboxState,
  TRANSITIONS,
} from '../../../src/sandbox/manager/states.ts';
import { shareSlots } from '../../../src/sandbox/manager/warm-slots.ts';
import type { ManagedRecord, ManagedStore } from '../../../src/store/managed-record.ts';
import { SqliteManagedStore } from '../../../src/store/sqlite-managed-store.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const directory = mkdtempSync(join(tmpdir(), 'caisson-manager-'));
after(() => rmSync(directory, { recursive: true }));

const policy = policyFromDocument({ version: 1, name: 'p', level: 'strict' });
const done = { kind: 'exited', code: 0 } as unknown as Outcome;

/** Runs that end when they are told to. */
class Host implements ManagerHost {
  readonly stateDirectory = mkdtempSync(join(directory, 'state-'));
  readonly events: ObservedEvent[] = [];
  readonly recorder: Recorder = {
    observer: (event) => void this.events.push(event),
    ready: () => undefined,
  };
  /** By first word of the command line, in order of their start. */
  readonly running = new Map<string, (outcome: Outcome) => void>();
  readonly started: string[] = [];

  run(argv: readonly string[], options: { signal?: AbortSignal }): Promise<Outcome> {
    const [name = ''] = argv;
    this.started.push(name);
    return new Promise((resolve, reject) => {
      if (name === 'fails') throw new CaissonError('LAUNCHER_FAILED', { layer: 'launcher' });
      this.running.set(name, resolve);
      options.signal?.addEventListener('abort', () => {
        this.running.delete(name);
        reject(new CaissonError('ABORTED', { layer: 'launcher' }));
      });
    });
  }

  spawn(): Promise<never> {
    return Promise.reject(new Error('nothing is spawned here'));
  }

  /** One run after the other, oldest first, until none is left. */
  async drain(): Promise<void> {
    for (let idle = 0; idle < 5; ) {
      const [oldest] = this.running;
      if (oldest === undefined) idle++;
      else {
        idle = 0;
        this.running.delete(oldest[0]);
        oldest[1](done);
      }
      await turn();
    }
  }

  create(): Promise<never> {
    throw new CaissonError('LAUNCHER_FAILED', { layer: 'launcher' });
  }
  readonly frozen = new Set<string>();
  freeze: ManagerHost['freeze'] = async (id, frozen) => {
    if (frozen) this.frozen.add(id);
    else this.frozen.delete(id);
  };
  async usage(): Promise<undefined> {}
  async policy(): ReturnType<ManagerHost['policy']> {
    return { policy, digest: 'd' };
  }
  async keepReady(): Promise<void> {}
  async start(): Promise<void> {}
  launchers(): number[] {
    return [];
  }
  onClose(): void {}
}

/** Enough for a group commit and what follows from it. */
async function turn(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function open(
  options: ManagerOptions = {},
): Promise<{ host: Host; manager: SandboxManager; run: Run }> {
  const host = new Host();
  const manager = await SandboxManager.open(host, {
    pool: { concurrency: 2, memoryBytes: null },
    ...options,
  });
  const run: Run = (name, more = {}) => {
    const promise = manager.run([name], more);
    promise.catch(() => {});
    return promise;
  };
  return { host, manager, run };
}
type Run = (name: string, options?: Parameters<SandboxManager['run']>[1]) => Promise<Outcome>;

describe('a manager', () => {
  test('a tenant floods the queue: the others are served as if it were one of them', async () => {
    const { host, manager, run } = await open({ queue: { total: 1000 } });
    await using _ = manager;
    const flood = Array.from({ length: 2000 }, (_, i) =>
      run(`flood${i}`, { tenant: 'f', priority: 100 }),
    );
    await turn();
    const others = Array.from({ length: 20 }, (_, i) =>
      run(`other${i}`, { tenant: 'o', priority: -100 }),
    );
    await turn();
    await host.drain();
    const settled = await Promise.allSettled(flood);
    const refused = settled.filter(
      (each) => each.status === 'rejected' && each.reason.code === 'QUEUE_FULL',
    );
    // A quarter of the queue. Two were given room only after the first turn of the loop.
    assert.equal(refused.length, 2000 - 250);
    assert.ok((await Promise.all(others)).every(({ kind }) => kind === 'exited'));
    const places = host.started.flatMap((name, i) => (name.startsWith('other') ? [i] : []));
    assert.equal(places.length, 20);
    assert.ok((places.at(-1) as number) <= 2 + 2 * 20, `the last came as number ${places.at(-1)}`);
  });

  test('the clock set back, and forth: order, age and waiting are as before', async () => {
    let wall = 1_700_000_000_000;
    let monotonic = 5000;
    const { host, manager, run } = await open({
      pool: { concurrency: 1, memoryBytes: null },
      clock: { monotonicMs: () => monotonic, wallMs: () => wall },
    });
    await using _ = manager;
    for (const [i, leap] of [0, -3_600_000, 7_200_000, -86_400_000].entries()) {
      wall += leap;
      monotonic += 10;
      run(`r${i}`, { ttlMs: 1000 });
      await turn();
    }
    monotonic += 100;
    const [first, ...rest] = manager.list();
    assert.deepEqual([first?.state, first?.ageMs, first?.remainingMs], ['Running', 130, 870]);
    assert.deepEqual(
      rest.map(({ ageMs }) => ageMs),
      [120, 110, 100],
    );
    const ids = manager.list().map(({ id }) => id);
    assert.deepEqual(ids, [...ids].sort());
    await host.drain();
    assert.deepEqual(host.started, ['r0', 'r1', 'r2', 'r3']);
    assert.equal(manager.list({ state: 'Completed' }).length, 4);
  });

  test('who waits can give up, be killed, or lose patience; who runs can be killed', async () => {
    const { host, manager, run } = await open({ pool: { concurrency: 1, memoryBytes: null } });
    await using _ = manager;
    const runs = run('runs', { labels: { which: 'runs' } });
    await turn();
    const giver = new AbortController();
    const gives = run('gives', { signal: giver.signal, labels: { which: 'gives' } });
    const killed = run('killed', { labels: { which: 'killed' } });
    const waits = run('waits', { queueTimeoutMs: 20, labels: { which: 'waits' } });
    const last = run('last', { labels: { which: 'last' } });
    await turn();
    const of = (which: string) =>
      manager.list({ labels: { which } })[0] as { id: string; state: string };
    assert.deepEqual([manager.load().running, manager.load().waiting], [1, 4]);
    giver.abort(new Error('enough'));
    await assert.rejects(gives, { code: 'ABORTED' });
    assert.equal((await manager.kill(of('killed').id, 'because')).reason, 'because');
    await assert.rejects(killed, { code: 'ABORTED', message: /because/ });
    await assert.rejects(waits, { code: 'RESOURCE_EXHAUSTED' });
    const ends = manager.wait(of('runs').id);
    await manager.killAll({ labels: { which: 'runs' } });
    await assert.rejects(runs, { code: 'ABORTED' });
    assert.equal((await ends).state, 'Killed');
    await turn();
    await host.drain();
    assert.equal((await last).kind, 'exited');
    assert.deepEqual(host.started, ['runs', 'last']);
    assert.deepEqual(
      ['gives', 'killed', 'waits', 'runs', 'last'].map((which) => of(which).state),
      ['Killed', 'Killed', 'TimedOut', 'Killed', 'Completed'],
    );
    assert.deepEqual([manager.load().running, manager.load().waiting], [0, 0]);
    await assert.rejects(manager.kill('nobody'), { code: 'REQUEST_INVALID' });
    await assert.rejects(manager.pause(of('last').id), { code: 'REQUEST_INVALID' });
  });

  test('a signal that was aborted already takes no place', async () => {
    const { manager, run } = await open();
    await using _ = manager;
    await assert.rejects(run('x', { signal: AbortSignal.abort() }), { code: 'ABORTED' });
    assert.deepEqual(manager.list(), []);
  });

  test('what cannot be made gives its room back', async () => {
    const { manager, run } = await open({ pool: { concurrency: 1, memoryBytes: null } });
    await using _ = manager;
    for (let i = 0; i < 3; i++) {
      await assert.rejects(run('fails'), { code: 'LAUNCHER_FAILED' });
      await assert.rejects(manager.create(), { code: 'LAUNCHER_FAILED' });
    }
    assert.equal(manager.load().running, 0);
    assert.deepEqual(new Set(manager.list().map(({ state }) => state)), new Set(['Failed']));
  });

  test('closing kills, or lets what waits and runs come to its end', async () => {
    const killing = await open();
    const doomed = ['a', 'b', 'c'].map((name) => killing.run(name));
    await turn();
    await killing.manager.close();
    for (const each of doomed) await assert.rejects(each, { code: 'ABORTED', message: /closed/ });
    await assert.rejects(killing.run('d'), { code: 'SANDBOX_CLOSED' });

    const { host, manager, run } = await open();
    const all = ['a', 'b', 'c'].map((name) => run(name));
    await turn();
    const closed = manager.close({ mode: 'drain' });
    await assert.rejects(run('late'), { code: 'SANDBOX_CLOSED' });
    await host.drain();
    await closed;
    assert.deepEqual(
      (await Promise.all(all)).map(({ kind }) => kind),
      Array(3).fill('exited'),
    );

    const impatient = await open();
    const stuck = impatient.run('a');
    await turn();
    await impatient.manager.close({ mode: 'drain', timeoutMs: 20 });
    await assert.rejects(stuck, { code: 'ABORTED' });
  });

  test('it is not forgotten before everything has gone that goes with it, nor where that fails', async () => {
    for (const fails of [false, true]) {
      const host = new Host();
      const known = async (): Promise<number> => {
        const store = SqliteManagedStore.open(host.stateDirectory);
        const { length } = await store.managers();
        await store.close();
        return length;
      };
      let meanwhile = 0;
      const manager = await SandboxManager.open(host, {
        lastly: async () => {
          meanwhile = await known();
          if (fails) throw new Error('it does not go');
        },
      });
      const closed = manager.close();
      if (fails) await assert.rejects(closed, /does not go/);
      else await closed;
      assert.deepEqual([meanwhile, await known()], [1, fails ? 1 : 0]);
    }
  });

  test('what cannot be written down does not run', async () => {
    const host = new Host();
    const real = SqliteManagedStore.open(host.stateDirectory);
    let full = false;
    const put = (record: ManagedRecord): Promise<void> =>
      full
        ? Promise.reject(new CaissonError('STORE_UNUSABLE', { layer: 'store', message: 'full' }))
        : real.put(record);
    const broken: ManagedStore = {
      putManager: (m) => real.putManager(m),
      removeManager: (id) => real.removeManager(id),
      managers: () => real.managers(),
      list: (filter) => real.list(filter),
      prune: (id, keep) => real.prune(id, keep),
      close: () => real.close(),
      put,
      putSoon: put,
    };
    await using manager = await SandboxManager.open(host, { store: broken });
    const before = manager.run(['before']);
    await turn();
    full = true;
    await assert.rejects(manager.run(['during']), { code: 'STORE_UNUSABLE' });
    // What ran when the disk filled comes to its end, and list says what the store does not know.
    await host.drain();
    assert.equal((await before).kind, 'exited');
    await turn();
    assert.equal(manager.list({ state: 'Completed' })[0]?.unrecorded, 'full');
    full = false;
    const afterwards = manager.run(['after']);
    await turn();
    await host.drain();
    await afterwards;
    assert.deepEqual(host.started, ['before', 'after']);
    assert.equal(manager.load().running, 0);
  });

  test('forgets what ended long ago', async () => {
    const { host, manager, run } = await open({ keepEnded: 3 });
    await using _ = manager;
    const all = Array.from({ length: 10 }, (_, i) => run(`r${i}`));
    await turn();
    await host.drain();
    await Promise.all(all);
    assert.equal(manager.list().length, 3);
  });

  test('what ended is known for long, what ran in it and who ended it are not held', async () => {
    const { host, manager } = await open({ pool: { concurrency: 1, memoryBytes: null } });
    await using _ = manager;
    const held = new Map<string, WeakRef<object>>();
    const mark = (name: string): object => {
      const marked = {};
      held.set(name, new WeakRef(marked));
      return marked;
    };
    const ends = new Map<string, () => void>();
    const leave = new Map<string, () => void>();
    host.run = ([name = ''], { signal }) => {
      const running = mark(`${name}: what ran`);
      return new Promise((resolve, reject) => {
        ends.set(name, () => resolve(done));
        signal?.addEventListener('abort', () => reject(running));
      });
    };
    const ask = (name: string): void => {
      const asking = mark(`${name}: who ended it`);
      const controller = new AbortController();
      manager.run([name], { signal: controller.signal, labels: { name } }).catch(() => {});
      leave.set(name, () => controller.abort(asking));
    };
    ask('completes');
    await turn();
    ask('is ended');
    ask('waits');
    await turn();
    leave.get('waits')?.();
    ends.get('completes')?.();
    await turn();
    leave.get('is ended')?.();
    ends.clear();
    leave.clear();
    await turn();
    const states = manager.list().map(({ labels, state }) => [labels.name, state]);
    assert.deepEqual(states, [
      ['completes', 'Completed'],
      ['is ended', 'Killed'],
      ['waits', 'Killed'],
    ]);
    for (let i = 0; i < 3; i++) {
      await turn();
      collect();
    }
    const left = [...held].flatMap(([name, ref]) => (ref.deref() === undefined ? [] : [name]));
    assert.equal(held.size, 5);
    assert.deepEqual(left, []);
  });

  test('refuses what makes no sense', async () => {
    const { manager, run } = await open();
    await using _ = manager;
    for (const bad of [
      { priority: 101 },
      { priority: 0.5 },
      { ttlMs: 0 },
      { queueTimeoutMs: 2 ** 31 },
      { labels: { a: 'x'.repeat(300) } },
    ])
      await assert.rejects(run('x', bad), { code: 'REQUEST_INVALID' }, JSON.stringify(bad));
    for (const bad of [
      { pool: { concurrency: 0 } },
      { pool: { cores: 1 } as object },
      { queue: { total: -1 } },
      { agingMs: 0.5 },
    ])
      await assert.rejects(open(bad), { code: 'REQUEST_INVALID' }, JSON.stringify(bad));
    await using small = (await open({ pool: { memoryBytes: 1000 } })).manager;
    await assert.rejects(small.run(['x']), { code: 'REQUEST_INVALID', message: /memoryBytes/ });
  });
});

describe('states', () => {
  test('the final ones lead nowhere, and every state can be reached', () => {
    const reached = new Set<SandboxState>(['Initializing']);
    for (const state of reached) for (const next of TRANSITIONS[state]) reached.add(next);
    assert.deepEqual([...reached].sort(), [...SANDBOX_STATES].sort());
    assert.deepEqual(SANDBOX_STATES.filter(isFinal), ['Completed', 'Failed', 'TimedOut', 'Killed']);
  });

  test('whatever is tried, an entry goes only where the table leads, and its end is told once', async () => {
    const tries = fc.array(fc.constantFrom(...SANDBOX_STATES), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(tries, async (list) => {
        const seen: string[] = [];
        const written: string[] = [];
        const put = async ({ state }: ManagedRecord): Promise<void> => void written.push(state);
        const entry = new Entry({
          record: {
            id: 'e',
            manager: 'm',
            kind: 'run',
            state: 'Initializing',
            tenant: '',
            labels: {},
            priority: 0,
            policyDigest: 'd',
            createdMs: 0,
            createdMonotonicMs: 0,
          },
          need: NOTHING,
          clock: { monotonicMs: () => 0, wallMs: () => 0 },
          store: { put, putSoon: put } as never,
          observer: (event) => void (event.kind === 'state' && seen.push(event.state)),
        });
        let ended = false;
        entry.ended.then(() => {
          ended = true;
        });
        const expected: SandboxState[] = [];
        for (const state of list) {
          const from = entry.state;
          if (TRANSITIONS[from].includes(state)) {
            entry.become(state);
            expected.push(state);
            assert.equal(entry.state, state);
          } else {
            assert.throws(() => entry.become(state), { code: 'INTERNAL' });
            assert.equal(entry.state, from);
          }
        }
        await turn();
        assert.deepEqual([seen, written], [expected, expected]);
        assert.equal(ended, isFinal(entry.state));
      }),
      { numRuns: 100 },
    );
  });
});

test('warm slots are shared out in proportion, and all of them', () => {
  assert.deepEqual(shareSlots([3, 1], 8), [6, 2]);
  assert.deepEqual(shareSlots([1, 1, 1], 2), [1, 1, 0]);
  assert.deepEqual(shareSlots([], 2), []);
  const demands = fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(demands, fc.integer({ min: 0, max: 100 }), (list, budget) => {
      const shares = shareSlots(list, budget);
      assert.equal(
        shares.reduce((a, b) => a + b, 0),
        budget,
      );
      assert.ok(shares.every((share) => share >= 0));
    }),
  );
});
