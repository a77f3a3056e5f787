/** The scheduler's promises, over random requests and ends. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { policyFromDocument } from '../../../src/policy/parse.ts';
import {
  add,
  capacityOf,
  excess,
  meet,
  NOTHING,
  needsOf,
  type Resources,
} from '../../../src/sandbox/manager/resources.ts';
import { Scheduler, type SchedulerOptions } from '../../../src/sandbox/manager/scheduler.ts';

const one: Resources = { ...NOTHING, concurrency: 1 };
const pool = (concurrency: number, memoryBytes?: number): Resources =>
  capacityOf({ concurrency, ...(memoryBytes === undefined ? {} : { memoryBytes }) });

function scheduler(options: Partial<SchedulerOptions> = {}): Scheduler {
  return new Scheduler({
    total: pool(4),
    queueTotal: 1_000_000,
    queuePerTenant: 1_000_000,
    agingMs: 1000,
    ...options,
  });
}

const need = fc.record({
  concurrency: fc.constant(1),
  cpuMillicores: fc.integer({ min: 0, max: 4000 }),
  memoryBytes: fc.integer({ min: 0, max: 1000 }),
  processes: fc.integer({ min: 0, max: 50 }),
  diskBytes: fc.integer({ min: 0, max: 50 }),
});
const TENANTS = ['a', 'b', 'c'];
type Step =
  | { do: 'ask'; tenant: string; priority: number; need: Resources }
  | { do: 'end' | 'withdraw'; which: number };
const steps = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant('ask' as const),
      tenant: fc.constantFrom(...TENANTS),
      priority: fc.integer({ min: -3, max: 3 }),
      need,
    }),
    fc.record({ do: fc.constantFrom('end' as const, 'withdraw' as const), which: fc.nat() }),
  ),
  { maxLength: 120 },
);

/** Carries steps out and checks after each that pool and parts are not overdrawn. */
function play(list: readonly Step[], total: Resources, part: Resources): void {
  const it = scheduler({ total, perTenant: () => part });
  const needs = new Map<string, { tenant: string; need: Resources }>();
  const waiting = new Set<string>();
  const running = new Set<string>();
  let nowMs = 0;
  const go = (): void => {
    for (const id of it.next()) {
      assert.ok(waiting.delete(id), 'only who waits is given room');
      running.add(id);
    }
    let used = NOTHING;
    const parts = new Map<string, Resources>();
    for (const id of running) {
      const { tenant, need } = needs.get(id) as { tenant: string; need: Resources };
      used = add(used, need);
      parts.set(tenant, add(parts.get(tenant) ?? NOTHING, need));
    }
    assert.equal(excess(used, total), undefined, 'the pool is overdrawn');
    for (const each of parts.values())
      assert.equal(excess(each, part), undefined, 'a part is overdrawn');
    assert.deepEqual(it.used, used);
    assert.deepEqual([it.waiting, it.running], [waiting.size, running.size]);
    if (running.size === 0) assert.equal(waiting.size, 0, 'an empty pool makes nobody wait');
  };
  list.forEach((step, i) => {
    nowMs += 7;
    const id = String(i);
    if (step.do === 'ask') {
      needs.set(id, step);
      try {
        it.enqueue({ id, tenant: step.tenant, priority: step.priority, need: step.need, nowMs });
        waiting.add(id);
      } catch (error) {
        assert.equal((error as { code: string }).code, 'REQUEST_INVALID');
        assert.notEqual(excess(step.need, meet(total, part)), undefined);
      }
    } else {
      const from = [...(step.do === 'end' ? running : waiting)];
      const chosen = from[step.which % from.length];
      if (chosen === undefined) return;
      if (step.do === 'end') {
        running.delete(chosen);
        it.release(chosen);
      } else {
        waiting.delete(chosen);
        assert.ok(it.withdraw(chosen));
      }
    }
    go();
  });
  // Everybody comes to the end of his waiting when what runs ends: nothing is starved, nothing is stuck.
  for (let rounds = 0; waiting.size > 0; rounds++) {
    assert.ok(rounds <= list.length, 'somebody waits for ever');
    const [oldest] = running;
    assert.ok(oldest !== undefined);
    running.delete(oldest);
    it.release(oldest);
    go();
  }
  for (const id of running) it.release(id);
  it.next();
  assert.deepEqual([it.used, it.tenants()], [NOTHING, []]);
}

describe('the scheduler', () => {
  test('never gives more than the pool or a tenant’s part, and in the end everybody has had room', () => {
    const total = capacityOf({
      concurrency: 5,
      cpuMillicores: 6000,
      memoryBytes: 1500,
      processes: 80,
      diskBytes: 70,
    });
    const part = capacityOf({ concurrency: 3, memoryBytes: 1100 });
    fc.assert(
      fc.property(steps, (list) => play(list, total, part)),
      { numRuns: 300 },
    );
  });

  test('within a tenant: the higher priority first, then the older', () => {
    const priorities = fc.array(fc.integer({ min: -100, max: 100 }), {
      minLength: 1,
      maxLength: 50,
    });
    fc.assert(
      fc.property(priorities, (list) => {
        const it = scheduler({ total: pool(1) });
        list.forEach((priority, i) => {
          it.enqueue({ id: String(i), tenant: 't', priority, need: one, nowMs: 0 });
        });
        const order: number[] = [];
        for (let [id] = it.next(); id !== undefined; [id] = it.next()) {
          order.push(Number(id));
          it.release(id);
        }
        const expected = list.map((_, i) => i).sort((a, b) => at(list, b) - at(list, a) || a - b);
        assert.deepEqual(order, expected);
      }),
    );
  });

  test('a low priority is passed only by what came at most so much later', () => {
    const it = scheduler({ total: pool(1), agingMs: 1000 });
    it.enqueue({ id: 'low', tenant: 't', priority: 0, need: one, nowMs: 0 });
    // One of priority 5 each 100 ms, for ever; the pool serves one each 100 ms.
    let passed = 0;
    for (let nowMs = 0; ; nowMs += 100) {
      it.enqueue({ id: `high ${nowMs}`, tenant: 't', priority: 5, need: one, nowMs });
      const [id = ''] = it.next();
      it.release(id);
      if (id === 'low') break;
      passed++;
      assert.ok(passed <= 51, 'it starves');
    }
    assert.ok(passed >= 49);
  });

  test('two tenants that both have work never differ by more than one', () => {
    const sizes = fc.record({
      slots: fc.integer({ min: 1, max: 20 }),
      floods: fc.integer({ min: 50, max: 300 }),
      ends: fc.array(fc.nat(), { minLength: 20, maxLength: 200 }),
    });
    fc.assert(
      fc.property(sizes, ({ slots, floods, ends }) => {
        const it = scheduler({ total: pool(slots) });
        const running = new Map<string, string>();
        const go = (): void => {
          for (const id of it.next()) running.set(id, id.slice(0, 1));
        };
        for (let i = 0; i < floods; i++)
          it.enqueue({ id: `a${i}`, tenant: 'a', priority: 100, need: one, nowMs: i });
        go();
        for (let i = 0; i < 60; i++)
          it.enqueue({ id: `b${i}`, tenant: 'b', priority: -100, need: one, nowMs: floods });
        go();
        const given = { a: 0, b: 0 };
        let balanced = false;
        for (const end of ends) {
          const id = [...running.keys()][end % running.size];
          if (id === undefined) break;
          const before = new Set(running.keys());
          running.delete(id);
          it.release(id);
          go();
          const loads = new Map(it.tenants().map((each) => [each.tenant, each]));
          if ((loads.get('a')?.waiting ?? 0) === 0 || (loads.get('b')?.waiting ?? 0) === 0) return;
          for (const each of running.keys())
            if (!before.has(each)) given[each.slice(0, 1) as 'a' | 'b']++;
          const [a, b] = [loads.get('a')?.running ?? 0, loads.get('b')?.running ?? 0];
          // Until then b, which came last, is given everything that is freed.
          balanced ||= Math.abs(a - b) <= 1;
          if (!balanced) assert.equal(given.a, 0, 'the flood goes first');
          else assert.ok(Math.abs(a - b) <= 1, `${a} of a and ${b} of b run`);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('with one place, tenants take turns, whatever their priorities', () => {
    const it = scheduler({ total: pool(1) });
    for (const tenant of ['a', 'b'])
      for (let i = 0; i < 10; i++)
        it.enqueue({
          id: `${tenant}${i}`,
          tenant,
          priority: tenant === 'a' ? 9 : 0,
          need: one,
          nowMs: 0,
        });
    let order = '';
    for (let [id] = it.next(); id !== undefined; [id] = it.next()) {
      order += id.slice(0, 1);
      it.release(id);
    }
    assert.match(order, /^(?:ab|ba){10}$/);
  });

  test('weights: a tenant of weight 3 has three times the places', () => {
    const it = scheduler({ total: pool(40), weight: (tenant) => (tenant === 'a' ? 3 : 1) });
    for (let i = 0; i < 100; i++)
      for (const tenant of ['a', 'b'])
        it.enqueue({ id: `${tenant}${i}`, tenant, priority: 0, need: one, nowMs: 0 });
    it.next();
    const running = Object.fromEntries(it.tenants().map((each) => [each.tenant, each.running]));
    assert.deepEqual(running, { a: 30, b: 10 });
  });

  test('a large request waits for what runs, never for what comes', () => {
    const it = scheduler({ total: pool(100, 100) });
    const small: Resources = { ...one, memoryBytes: 10 };
    const running: string[] = [];
    const go = (): void => {
      running.push(...it.next());
    };
    for (let i = 0; i < 10; i++)
      it.enqueue({ id: `old${i}`, tenant: 'small', priority: 0, need: small, nowMs: 0 });
    go();
    it.enqueue({
      id: 'large',
      tenant: 'large',
      priority: 0,
      need: { ...one, memoryBytes: 90 },
      nowMs: 1,
    });
    go();
    for (let i = 0; i < 1000 && !running.includes('large'); i++) {
      it.enqueue({ id: `new${i}`, tenant: 'small', priority: 100, need: small, nowMs: 2 });
      const ended = running.shift() as string;
      it.release(ended);
      go();
      const besides = running.filter((id) => id.startsWith('new')).length;
      assert.ok(besides <= 1, 'more goes beside it than leaves its room');
    }
    assert.ok(running.includes('large'));
  });

  test('a request that only its tenant has no room for holds up nobody else', () => {
    const it = scheduler({ total: pool(10), perTenant: (t) => pool(t === 'a' ? 1 : 10) });
    for (let i = 0; i < 5; i++)
      it.enqueue({ id: `a${i}`, tenant: 'a', priority: 0, need: one, nowMs: 0 });
    for (let i = 0; i < 9; i++)
      it.enqueue({ id: `b${i}`, tenant: 'b', priority: 0, need: one, nowMs: 1 });
    assert.equal(it.next().length, 10);
  });

  test('a flood fills its own part of the queue, never the others’', () => {
    const it = scheduler({ total: pool(1), queueTotal: 100, queuePerTenant: 25 });
    const ask = (tenant: string, i: number): void =>
      it.enqueue({ id: `${tenant}${i}`, tenant, priority: 0, need: one, nowMs: 0 });
    for (let i = 0; i < 25; i++) ask('flood', i);
    for (let i = 25; i < 1000; i++) assert.throws(() => ask('flood', i), { code: 'QUEUE_FULL' });
    for (const tenant of ['b', 'c', 'd']) for (let i = 0; i < 25; i++) ask(tenant, i);
    assert.throws(() => ask('e', 0), { code: 'QUEUE_FULL' });
    assert.equal(it.waiting, 100);
  });

  test('what a tenant did while nobody waited is not held against it', () => {
    const it = scheduler({ total: pool(1) });
    for (let i = 0; i < 50; i++) {
      it.enqueue({ id: `a${i}`, tenant: 'a', priority: 0, need: one, nowMs: i });
      it.next();
      it.release(`a${i}`);
      it.next();
    }
    assert.deepEqual(it.tenants(), []);
  });
});

test('what a policy may take is what its limits say; what it does not limit is all there is', () => {
  const total = capacityOf({ concurrency: 9, memoryBytes: 2 ** 40, processes: 1000 });
  const strict = policyFromDocument({ version: 1, name: 'p', level: 'strict', limits: { cpu: 2 } });
  const needs = needsOf(strict, total);
  assert.deepEqual(
    [needs.concurrency, needs.cpuMillicores, needs.memoryBytes, needs.processes],
    [1, 2000, strict.limits.memoryBytes, strict.limits.processes],
  );
  const spaces = strict.scratch.rules.length + 1;
  assert.equal(needs.diskBytes, (strict.limits.scratchBytes ?? 0) * spaces);
  const open = { ...strict, limits: { ...strict.limits, memoryBytes: null, cpuMillicores: null } };
  assert.deepEqual(
    [needsOf(open, total).memoryBytes, needsOf(open, total).cpuMillicores],
    [2 ** 40, 1000],
  );
});

function at(list: readonly number[], index: number): number {
  return list[index] ?? 0;
}
