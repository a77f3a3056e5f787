/** The registry's own rules, over an executor that only notes what it was asked for. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type AdmissionReport, type Candidate, UNCHECKED } from '../../src/core/admission.ts';
import type { ObservedEvent } from '../../src/core/ports.ts';
import type { ModuleRegistration } from '../../src/modules/module-schemas.ts';
import { Modules } from '../../src/modules/modules.ts';
import type { ModulesOptions, ModulesSetup } from '../../src/modules/modules-setup.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';
import { levelPolicy } from '../../src/policy/presets.ts';
import type { Evaluation } from '../../src/sandbox/evaluation.ts';

const directory = mkdtempSync(join(tmpdir(), 'caisson-registry-'));
after(() => rmSync(directory, { recursive: true }));
let files = 0;
const fresh = (): string => join(directory, `${files++}.db`);

interface Asked {
  readonly what: string;
  readonly options: Record<string, unknown>;
}

const done = { kind: 'exited', code: 0, value: 42, usage: { wallMs: 3 } } as unknown as Evaluation;

async function open(
  options: ModulesOptions = {},
  evaluate: () => Promise<Evaluation> = async () => done,
): Promise<{ modules: Modules; asked: Asked[]; events: ObservedEvent[] }> {
  const asked: Asked[] = [];
  const events: ObservedEvent[] = [];
  const setup: ModulesSetup = {
    evaluate: async (program, { ...rest }) => {
      asked.push({ what: program.entry, options: rest });
      return rest.compileOnly === true ? done : evaluate();
    },
    run: async (argv, { ...rest }) => {
      asked.push({ what: argv.join(' '), options: rest });
      return done;
    },
    policy: async () => levelPolicy('strict'),
    admit: async () => ({ report: UNCHECKED, untilMs: Number.POSITIVE_INFINITY }),
    observer: (event) => events.push(event),
    recorded: () => undefined,
    stateDirectory: directory,
    onClose: () => {},
  };
  return { modules: await Modules.open(setup, { path: fresh(), ...options }), asked, events };
}

const js = (id: string, version = '1.0.0', more: object = {}): ModuleRegistration => ({
  id,
  version,
  kind: 'js',
  code: 'export default 42',
  ...more,
});

describe('a registry', () => {
  test('compiles a module once, without executing it, and executes it with its limits', async () => {
    const { modules, asked } = await open({ tenant: 'anna' });
    const limits = { timeoutMs: 900, cpuMs: 300, memoryBytes: 2 ** 24 };
    const first = await modules.register(js('a', '1.0.0', { limits, keep: 'context' }));
    const again = await modules.register(js('a', '1.0.0', { limits, keep: 'context' }));
    assert.deepEqual([first.added, again.added], [true, false]);
    assert.deepEqual(again.module, first.module);
    assert.deepEqual(asked, [
      { what: 'a@1.0.0.js', options: { ...limits, compileOnly: true, tenant: 'anna' } },
    ]);
    const result = await modules.execute('a', { args: [1] });
    assert.deepEqual(
      [result.value, result.admission.decision, result.module.version],
      [42, 'unchecked', '1.0.0'],
    );
    assert.deepEqual(asked[1]?.options, {
      ...limits,
      keep: 'context',
      export: 'default',
      args: [1],
      tenant: 'anna',
    });
    await modules.close();
  });

  test('refuses other content under a version, in whatever part', async () => {
    const { modules, asked } = await open();
    await modules.register(js('a'));
    for (const more of [
      { code: 'export default 43' },
      { keep: 'context' },
      { metadata: { a: 1 } },
      { limits: { timeoutMs: 10 } },
      { language: 'typescript' },
    ])
      await assert.rejects(modules.register(js('a', '1.0.0', more)), { code: 'MODULE_EXISTS' });
    assert.equal(asked.length, 1, 'what is refused was not compiled');
    await modules.register(js('a', '1.0.1', { code: 'export default 43' }));
    await modules.remove('a@1.0.0');
    await assert.rejects(modules.register(js('a', '1.0.0', { keep: 'context' })), {
      code: 'MODULE_EXISTS',
    });
    assert.equal((await modules.register(js('a'))).added, true);
    await modules.close();
  });

  test('lists by name and version, filtered', async () => {
    const { modules } = await open();
    for (const [id, version] of [
      ['b', '1.0.0'],
      ['a', '1.10.0'],
      ['a', '1.9.0'],
    ])
      await modules.register(js(id ?? '', version));
    await modules.register({ id: 'c', version: '1.0.0', kind: 'command', code: ['true'] });
    await modules.disable('b');
    const names = async (filter = {}) =>
      (await modules.list(filter)).map(({ id, version }) => `${id}@${version}`);
    assert.deepEqual(await names(), ['a@1.9.0', 'a@1.10.0', 'b@1.0.0', 'c@1.0.0']);
    assert.deepEqual(await names({ id: 'a' }), ['a@1.9.0', 'a@1.10.0']);
    assert.deepEqual(await names({ kind: 'command' }), ['c@1.0.0']);
    assert.deepEqual(await names({ enabled: false }), ['b@1.0.0']);
    await assert.rejects(modules.list({ ids: 'a' } as never), { code: 'REQUEST_INVALID' });
    await modules.close();
  });

  test('takes the latest release where no version is named, and never falls back', async () => {
    const { modules } = await open();
    for (const version of ['1.9.0', '1.10.0', '2.0.0-rc.1'])
      await modules.register(js('a', version));
    assert.equal((await modules.execute('a')).module.version, '1.10.0');
    assert.equal((await modules.execute('a@2.0.0-rc.1')).module.version, '2.0.0-rc.1');
    await modules.disable('a');
    await assert.rejects(modules.execute('a'), (error: { code: string; hint: string }) => {
      assert.equal(error.code, 'MODULE_DISABLED');
      assert.match(error.hint, /caisson module enable a@1\.10\.0/);
      return true;
    });
    await modules.enable('a@1.10.0');
    assert.equal((await modules.execute('a')).value, 42);
    await modules.close();
  });

  test('names what is there where something is not', async () => {
    const { modules } = await open();
    await modules.register(js('resize'));
    const hint = (pattern: RegExp) => (error: { code: string; hint: string }) => {
      assert.equal(error.code, 'MODULE_NOT_FOUND');
      assert.match(error.hint, pattern);
      return true;
    };
    await assert.rejects(modules.execute('resise'), hint(/did you mean resize/));
    await assert.rejects(modules.inspect('resize@9.9.9'), hint(/there are 1\.0\.0/));
    await assert.rejects(modules.statistics('other-thing'), hint(/module list/));
    for (const bad of ['__proto__', 'constructor@', '../x', ''])
      await assert.rejects(modules.execute(bad), { code: 'REQUEST_INVALID' });
    await assert.rejects(modules.remove('resize'), { code: 'REQUEST_INVALID' });
    await modules.close();
    await assert.rejects(modules.execute('resize'), { code: 'SANDBOX_CLOSED' });
  });

  test('lets what has begun come to its end when it is removed', async () => {
    const { promise, resolve } = Promise.withResolvers<Evaluation>();
    const { modules } = await open({}, () => promise);
    await modules.register(js('a'));
    const running = modules.execute('a');
    await modules.remove('a@1.0.0');
    await assert.rejects(modules.execute('a'), { code: 'MODULE_NOT_FOUND' });
    resolve(done);
    assert.equal((await running).value, 42);
    assert.deepEqual(await modules.list(), []);
    await modules.register(js('a'));
    await modules.close();
  });

  test('executes nothing twice as long as its ceilings say, also when they were lowered', async () => {
    const path = fresh();
    const first = await open({ path });
    await first.modules.register(js('a'));
    await first.modules.close();
    const lower = await open({ path, ceilings: { timeoutMs: 1000, memoryBytes: 2 ** 24 } });
    await lower.modules.execute('a');
    const { timeoutMs, cpuMs, memoryBytes } = lower.asked[0]?.options ?? {};
    assert.deepEqual([timeoutMs, cpuMs, memoryBytes], [1000, 1000, 2 ** 24]);
    await lower.modules.close();
    await assert.rejects(open({ ceilings: { codeBytes: 2 ** 30 } }), { code: 'REQUEST_INVALID' });
    await assert.rejects(open({ ceilings: { bytes: 1 } as never }), { code: 'REQUEST_INVALID' });
  });

  test('runs a command under the policy with the module’s limits', async () => {
    const { modules, asked } = await open();
    await modules.register({
      id: 'count',
      version: '1.0.0',
      kind: 'command',
      code: ['wc', '-w'],
      limits: { timeoutMs: 2000, memoryBytes: 2 ** 26 },
    });
    await modules.execute('count', { args: ['-c'], input: 'x' });
    await modules.execute('count');
    const [{ what, options } = { what: '', options: {} }, next] = asked;
    assert.deepEqual([what, options.input], ['wc -w -c', 'x']);
    const { limits } = options.policy as { limits: Record<string, number> };
    assert.deepEqual([limits.wallMs, limits.cpuMs, limits.memoryBytes], [2000, 2000, 2 ** 26]);
    assert.ok(Object.isFrozen(options.policy) && next?.options.policy === options.policy);
    await assert.rejects(modules.execute('count', { args: [1] }), { code: 'REQUEST_INVALID' });
    await assert.rejects(modules.execute('count', { grants: {} }), { code: 'REQUEST_INVALID' });
    await modules.close();
  });
});

describe('the registry’s file', () => {
  const opened = (policy: object, more: ModulesOptions) => {
    const setup = {
      policy: async () => policyFromDocument(policy, { home: '/root' }),
      stateDirectory: directory,
      onClose: () => {},
    } as unknown as ModulesSetup;
    return Modules.open(setup, more);
  };
  const refused = { code: 'REQUEST_INVALID', message: /lies where its modules may write/ };

  test('is never where what is executed may write', async () => {
    const path = fresh();
    const link = join(directory, `link-${files++}`);
    symlinkSync(directory, link);
    await assert.rejects(opened({ filesystem: { write: [directory] } }, { path }), refused);
    await assert.rejects(
      opened({ filesystem: { write: [directory] } }, { path: join(link, 'x.db') }),
      refused,
    );
    const beside = { filesystem: { write: [`${path}-wal`] } };
    await assert.rejects(opened(beside, { path }), refused);
    const workspace = { filesystem: { write: ['.'] } };
    await assert.rejects(opened(workspace, { path, workspace: directory }), refused);
    for (const [policy, place] of [
      [{ filesystem: { read: [directory] } }, {}],
      [workspace, { workspace: '/usr' }],
      [{ filesystem: { write: ['.'], workspace: 'overlay' } }, { workspace: directory }],
    ] as const) {
      await (await opened(policy, { path, ...place })).close();
    }
  });
});

describe('what another process changes', () => {
  test('takes effect within a second', async () => {
    const path = fresh();
    const [mine, others] = [await open({ path }), await open({ path })];
    await others.modules.register(js('a'));
    assert.equal((await mine.modules.execute('a')).value, 42);
    await others.modules.disable('a');
    await delay(1000);
    await assert.rejects(mine.modules.execute('a'), { code: 'MODULE_DISABLED' });
    await others.modules.enable('a');
    await delay(1000);
    await mine.modules.execute('a');
    await others.modules.remove('a@1.0.0');
    await delay(1000);
    await assert.rejects(mine.modules.execute('a'), { code: 'MODULE_NOT_FOUND' });
    await Promise.all([mine.modules.close(), others.modules.close()]);
  });

  test('to the code is never executed', async () => {
    const path = fresh();
    const { modules, asked } = await open({ path });
    await modules.register(js('a'));
    const raw = new DatabaseSync(path);
    raw.prepare('UPDATE content SET code = ?').run(Buffer.from('export default 66'));
    raw.close();
    await assert.rejects(modules.execute('a'), { code: 'STORE_UNUSABLE' });
    assert.equal(asked.length, 1);
    await modules.close();
  });
});

describe('admission', () => {
  const verdicts = async (
    admission: (candidate: Candidate) => AdmissionReport | Promise<AdmissionReport>,
  ) => {
    const { modules } = await open({ admission });
    return modules;
  };

  test('is asked with the code, and stands in every result', async () => {
    const seen: Candidate[] = [];
    const modules = await verdicts((candidate) => {
      seen.push(candidate);
      return { decision: 'admitted', score: 7 };
    });
    const asked = { signatures: ['{}'], declares: ['network' as const] };
    const { module } = await modules.register(js('a', '1.0.0', asked));
    assert.deepEqual(module.admission, { decision: 'admitted', score: 7 });
    assert.deepEqual((await modules.execute('a')).admission, module.admission);
    await modules.execute('a');
    assert.equal(seen.length, 2, 'not asked while it stays in memory');
    assert.deepEqual(
      [
        seen[0]?.name,
        seen[0]?.language,
        Buffer.from(Object.values(seen[0]?.files ?? {})[0] ?? '').toString(),
      ],
      ['a@1.0.0', 'javascript', 'export default 42'],
    );
    await modules.close();
  });

  test('refuses: what it says no to, what it fails at, and what it says is not understood', async () => {
    const no = await verdicts(() => ({ decision: 'refused', reasons: ['it is known'] }));
    await assert.rejects(no.register(js('a')), { code: 'MODULE_REFUSED', message: /it is known/ });
    assert.deepEqual(await no.list(), []);
    const failing = await verdicts(() => Promise.reject(new Error('scanner is gone')));
    await assert.rejects(failing.register(js('a')), { code: 'MODULE_REFUSED' });
    const odd = await verdicts(() => ({ decision: 'yes' }) as never);
    await assert.rejects(odd.register(js('a')), { code: 'MODULE_REFUSED' });
    await Promise.all([no.close(), failing.close(), odd.close()]);
  });

  test('is asked again where the module is loaded', async () => {
    let answer: AdmissionReport = { decision: 'admitted' };
    const modules = await verdicts(() => answer);
    await modules.register(js('a'));
    answer = { decision: 'refused' };
    await assert.rejects(modules.execute('a'), { code: 'MODULE_REFUSED' });
    await modules.close();
  });
});

test('what becomes of a module is told, and every refusal', async () => {
  const { modules, events } = await open({ tenant: 'anna' });
  await modules.register(js('a'));
  await modules.register(js('a'));
  await modules.disable('a');
  await assert.rejects(modules.execute('a'), { code: 'MODULE_DISABLED' });
  await modules.enable('a');
  await modules.remove('a@1.0.0');
  assert.deepEqual(
    events.map((event) => (event.kind === 'module' ? event.action : event.kind)),
    ['admission', 'registered', 'disabled', 'refused', 'enabled', 'removed'],
  );
  assert.ok(events.every(({ tenant }) => tenant === 'anna'));
  await modules.close();
});

test('statistics are kept beyond the registry, and what was not executed is told apart', async () => {
  const path = fresh();
  const endings: Partial<Evaluation>[] = [
    { kind: 'exited', code: 0 },
    { kind: 'exited', code: 1 },
    { kind: 'timed-out' },
  ];
  const { modules } = await open({ path }, async () => {
    const next = endings.shift();
    if (next === undefined) throw new Error('no host');
    return { ...done, ...next };
  });
  await modules.register(js('a'));
  for (let i = 0; i < 3; i++) await modules.execute('a');
  await assert.rejects(modules.execute('a'), /no host/);
  const wanted = { succeeded: 1, failed: 1, 'timed-out': 1, rejected: 1 };
  assert.deepEqual((await modules.statistics('a')).outcomes, wanted);
  await modules.close();
  const { modules: later } = await open({ path });
  const { statistics } = await later.inspect('a');
  assert.deepEqual([statistics.executions, statistics.outcomes], [4, wanted]);
  assert.equal(statistics.lastOutcome, 'rejected');
  await later.close();
});
