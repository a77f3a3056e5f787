import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { seccompActions } from '../../../src/plan/seccomp/compile.ts';
import { notifiedCalls } from '../../../src/plan/seccomp/notified.ts';
import { syscallNames } from '../../../src/plan/seccomp/numbers.ts';
import { policyTable } from '../../../src/plan/seccomp/policy-table.ts';
import { scalarArguments } from '../../../src/plan/seccomp/scalar-arguments.ts';
import { escapes } from '../../../src/plan/seccomp/table/escapes.ts';

const archs = ['x86_64', 'aarch64'] as const;
const presets = ['default', 'minimal', 'all'] as const;
/** Written out by hand, apart from the table: by which one gets out, and which no ordinary program calls. */
const mustEnd =
  `mount umount2 pivot_root move_mount fsopen unshare clone setns ptrace bpf init_module finit_module
  kexec_load reboot open_by_handle_at swapon`.split(/\s+/);
/** Which libraries try of their own accord. */
const mustNotEnd =
  `keyctl request_key add_key perf_event_open userfaultfd process_vm_readv adjtimex`.split(/\s+/);

describe('the escape class', () => {
  it('is made of calls that Linux has, few enough for a plan', () => {
    for (const name of Object.keys(escapes)) assert.ok(policyTable.has(name), name);
    assert.ok(Object.keys(escapes).length <= 64);
  });

  it('stands in docs/violations.md, with what ends a run', () => {
    const page = readFileSync(new URL('../../../docs/violations.md', import.meta.url), 'utf8');
    const told = [...page.matchAll(/^\| (`[^|]*) \| (yes|no)[^|]* \|/gm)].flatMap(
      ([, names, ends]) =>
        [...(names ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => [name, ends === 'yes']),
    );
    const known = Object.entries(escapes).map(([name, { ends }]) => [name, ends]);
    assert.deepEqual(told.toSorted(), known.toSorted());
  });

  for (const arch of archs) {
    for (const preset of presets) {
      it(`${arch}, ${preset}: what is handed over is what the plan answers, with the same errno`, () => {
        const request = { arch, preset };
        const plain = seccompActions(request);
        const calls = new Map(notifiedCalls(request, 'none').map((call) => [call.number, call]));
        for (const [number, action] of seccompActions({ ...request, notify: true })) {
          const answers =
            action.kind === 'check'
              ? [...action.clauses.map(({ answer }) => answer), action.otherwise]
              : [action];
          const handed = answers.some(({ kind }) => kind === 'notify');
          assert.equal(calls.has(number), handed, syscallNames[arch].get(number));
          if (!handed) assert.deepEqual(action, plain.get(number));
          else assert.equal(calls.get(number)?.errno, 1);
        }
      });
    }
  }

  it('ends a run for what no ordinary program tries; all of it, or none, where a policy says so', () => {
    const request = { arch: 'x86_64', preset: 'default' } as const;
    const ends = (ending: 'none' | 'escapes' | 'all') =>
      new Set(
        notifiedCalls(request, ending)
          .filter((call) => call.ends)
          .map(({ name }) => name),
      );
    for (const name of mustEnd) assert.ok(ends('escapes').has(name), name);
    for (const name of mustNotEnd) assert.ok(!ends('escapes').has(name), name);
    for (const name of mustNotEnd) assert.ok(ends('all').has(name), name);
    assert.equal(ends('none').size, 0);
  });

  it('a call that the policy allows is not handed over, one that it denies without need neither', () => {
    const names = (request: { allow?: string[]; deny?: string[] }) =>
      notifiedCalls({ arch: 'x86_64', preset: 'default', ...request }, 'none').map((c) => c.name);
    assert.ok(names({}).includes('ptrace'));
    assert.ok(!names({ allow: ['ptrace'] }).includes('ptrace'));
    assert.ok(!names({ deny: ['chmod'] }).includes('chmod'));
    // Every process would be an attempt to get out.
    const denied = { arch: 'x86_64', preset: 'default', deny: ['clone'], notify: true } as const;
    const clone = seccompActions(denied).get(56);
    assert.equal(clone?.kind, 'check');
    assert.deepEqual(clone.otherwise, { kind: 'errno', errno: 'EPERM' });
  });
});

describe('what is told of a recorded call', () => {
  it('values alone, never a pointer', () => {
    const args = [0x7fff_dead_beefn, 0x7fff_dead_beefn, 0x7fff_dead_beefn, 4096n, 0n, 0n];
    assert.deepEqual(scalarArguments('mount', args), { flags: 4096 });
    assert.deepEqual(scalarArguments('ptrace', [16n, 0xffff_ffffn]), { request: 16, pid: -1 });
    assert.deepEqual(scalarArguments('pivot_root', args), {});
  });
});
