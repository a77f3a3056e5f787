import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compile } from '../../src/plan/compile.ts';
import type { HostFacts } from '../../src/plan/facts.ts';
import { decide } from '../../src/plan/seccomp/action.ts';
import { seccompActions } from '../../src/plan/seccomp/compile.ts';
import { syscallNames } from '../../src/plan/seccomp/numbers.ts';
import type { PolicyDocument } from '../../src/policy/document.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';
import { capableHost } from './made-up-facts.ts';

type Facts = NonNullable<HostFacts['sideChannels']>;
const able: Facts = {
  storeBypass: 3,
  indirectBranch: 3,
  l1dFlush: 8,
  coreScheduling: 0,
  tsc: 0,
  smt: true,
  virtual: false,
};

function compiled(sideChannels: PolicyDocument['sideChannels'], facts?: Partial<Facts> | null) {
  const { sideChannels: _, ...bare } = capableHost;
  const host = facts === null ? bare : { ...bare, sideChannels: { ...able, ...facts } };
  const policy = policyFromDocument({
    version: 1,
    ...(sideChannels === undefined ? {} : { sideChannels }),
  });
  const result = compile(policy, host);
  assert.ok(result.wall === 'process');
  const ids = result.unenforceable.map(({ id }) => id);
  const row = (clause: string) => result.enforced.find((one) => one.clause === clause);
  return { controls: result.kind.sideChannels, ids, row, notes: result.notes, result };
}

describe('side channels in the plan', () => {
  test('what nobody asked for is not there', () => {
    const { controls, ids, result } = compiled(undefined);
    assert.equal(controls, undefined);
    assert.deepEqual(ids, []);
    assert.ok(!result.enforced.some(({ clause }) => clause.startsWith('sideChannels')));
  });

  test('speculation: what can be set is set, what needs no setting counts with its reason', () => {
    const on = { speculation: true };
    assert.deepEqual(compiled(on).controls, ['store-bypass', 'indirect-branch']);
    const unaffected = compiled(on, { storeBypass: 0 });
    assert.deepEqual(unaffected.controls, ['indirect-branch']);
    const { mechanisms = [], value } = unaffected.row('sideChannels.speculation') ?? {};
    assert.match(mechanisms.join(), /not affected by speculative store bypass/);
    assert.match(value ?? '', /Costs/);
    // Off for everybody already.
    const off = compiled(on, { storeBypass: 4, indirectBranch: 8 });
    assert.equal(off.controls, undefined);
    assert.deepEqual(off.ids, []);
  });

  test('speculation: what cannot be had is refused, each by its id, and acceptable', () => {
    const on = { speculation: true };
    for (const [facts, ids] of [
      [{ storeBypass: 2 }, ['sideChannels.speculation:store-bypass']],
      [{ indirectBranch: -19 }, ['sideChannels.speculation:indirect-branch']],
      [
        { storeBypass: 2, indirectBranch: 2 },
        ['sideChannels.speculation:store-bypass', 'sideChannels.speculation:indirect-branch'],
      ],
      [null, ['sideChannels.speculation:store-bypass', 'sideChannels.speculation:indirect-branch']],
    ] as const) {
      const { result, ids: found } = compiled(on, facts);
      assert.deepEqual(found, ids);
      assert.ok(result.unenforceable.every(({ acceptable }) => acceptable));
    }
  });

  test('the L1 cache is flushed only where no second thread would have the guest killed for it', () => {
    const on = { speculation: true };
    assert.ok(!compiled(on, { l1dFlush: 5 }).controls?.includes('l1d-flush'));
    assert.ok(compiled(on, { l1dFlush: 5, smt: false }).controls?.includes('l1d-flush'));
    assert.ok(!compiled(on, { l1dFlush: -22, smt: false }).controls?.includes('l1d-flush'));
  });

  test('core scheduling: a cookie; one thread a core counts, but not in a virtual machine', () => {
    const on = { coreScheduling: true };
    assert.deepEqual(compiled(on).controls, ['core-cookie']);
    const single = compiled(on, { coreScheduling: 22, smt: false });
    assert.equal(single.controls, undefined);
    assert.match(
      single.row('sideChannels.coreScheduling')?.mechanisms.join() ?? '',
      /one thread each/,
    );
    const id = (facts: Partial<Facts> | null) => compiled(on, facts).ids;
    const clause = 'sideChannels.coreScheduling';
    assert.deepEqual(id({ coreScheduling: 22 }), [`${clause}:not-in-kernel`]);
    const hidden = { coreScheduling: 19, smt: false, virtual: true };
    assert.deepEqual(id(hidden), [`${clause}:virtual-machine`]);
    assert.deepEqual(id(null), [`${clause}:not-known`]);
  });

  test('the time stamp counter goes away, and no process gets it back', () => {
    const { controls, row } = compiled({ tsc: 'deny' });
    assert.deepEqual(controls, ['no-tsc']);
    assert.match(row('sideChannels.tsc')?.value ?? '', /glibc/);
    assert.deepEqual(compiled({ tsc: 'deny' }, { tsc: 95 }).ids, [
      'sideChannels.tsc:not-in-kernel',
    ]);
    for (const arch of ['x86_64', 'aarch64'] as const) {
      const number = [...syscallNames[arch]].find(([, name]) => name === 'prctl')?.[0] ?? -1;
      const answers = (keepTsc: boolean, option: bigint) => {
        const actions = seccompActions({ arch, preset: 'all', keepTsc });
        const action = actions.get(number);
        return action === undefined ? undefined : decide(action, [option, 1n]).kind;
      };
      assert.equal(answers(true, 26n), 'errno');
      // The kernel takes 32 bits.
      assert.equal(answers(true, 0x1_0000_001an), 'errno');
      assert.equal(answers(true, 15n), 'allow');
      assert.equal(answers(false, 26n), 'allow');
    }
  });

  test('walls without processes of their own refuse what they cannot do', () => {
    const policy = policyFromDocument({
      version: 1,
      level: 'basic',
      sideChannels: { tsc: 'deny' },
    });
    assert.throws(() => compile(policy, capableHost), /sideChannels/);
  });

  test('release: a row with its price, behind any wall', () => {
    const { row, notes } = compiled({ resultGrid: '100ms' });
    assert.match(row('sideChannels.resultGrid')?.value ?? '', /every 100ms.*Costs 50ms/);
    assert.ok(notes.some((note) => note.startsWith('sideChannels.resultGrid')));
  });
});
