import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isCaissonError } from '../../../src/core/error.ts';
import { decide } from '../../../src/plan/seccomp/action.ts';
import { compileSeccomp, seccompActions } from '../../../src/plan/seccomp/compile.ts';
import { seccompTable } from '../../../src/plan/seccomp/describe.ts';
import { syscallNames } from '../../../src/plan/seccomp/numbers.ts';
import { policyTable } from '../../../src/plan/seccomp/policy-table.ts';

/** Written out by hand, apart from the table: what must stay closed whatever else changes. */
const mustStayClosed = `
  mount umount2 pivot_root move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick mount_setattr
  bpf kexec_load kexec_file_load init_module finit_module delete_module userfaultfd add_key request_key keyctl
  perf_event_open io_uring_setup io_uring_enter io_uring_register setns unshare clone3 reboot swapon swapoff
  quotactl quotactl_fd acct settimeofday adjtimex clock_settime clock_adjtime iopl ioperm lookup_dcookie
  name_to_handle_at open_by_handle_at syslog`
  .trim()
  .split(/\s+/);

const presets = ['default', 'minimal', 'all'] as const;
const archs = ['x86_64', 'aarch64'] as const;

function invalid(code: string, message: RegExp, hint: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(isCaissonError(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.match(error.hint ?? '', hint);
    return true;
  };
}

describe('the floor', () => {
  for (const name of mustStayClosed) {
    it(`${name} is closed in every preset, and no policy opens it`, () => {
      for (const arch of archs) {
        const number = numberOf(arch, name);
        if (number === undefined) continue;
        for (const preset of presets) {
          assert.equal(seccompActions({ arch, preset }).get(number)?.kind, 'errno');
        }
      }
      assert.throws(
        () => compileSeccomp({ arch: 'x86_64', preset: 'default', allow: [name] }),
        invalid('POLICY_INVALID', new RegExp(`no policy can open ${name}: .`), /take/),
      );
    });
  }

  it('arguments stay checked when a policy allows the call, in every preset', () => {
    const cases: [string, bigint[]][] = [
      ['ioctl', [0n, 0x5412n]],
      ['ioctl', [0n, 0x541cn]],
      ['clone', [0x10000011n]],
      ['socket', [40n, 1n, 0n]],
      ['socket', [17n, 3n, 0n]],
      ['socket', [38n, 5n, 0n]],
      ['socketpair', [30n, 1n, 0n]],
      ['personality', [0x0400000n]],
    ];
    for (const arch of archs) {
      for (const preset of presets) {
        const actions = seccompActions({ arch, preset, allow: cases.map(([name]) => name) });
        for (const [name, args] of cases) {
          const action = actions.get(numberOf(arch, name) ?? -1);
          assert.ok(action, name);
          assert.equal(decide(action, args).kind, 'errno', `${preset} ${name} ${args}`);
        }
      }
    }
  });
});

describe('policies over the table', () => {
  it('a policy opens what is refused but not in the floor', () => {
    const rows = seccompTable({ arch: 'x86_64', preset: 'default', allow: ['ptrace', 'chmod'] });
    const ptrace = rows.find(({ name }) => name === 'ptrace');
    assert.equal(ptrace?.action, 'allow');
    assert.equal(ptrace.by, 'allow');
    assert.equal(rows.find(({ name }) => name === 'chmod')?.action, 'allow');
  });

  it('deny wins over allow and over the preset', () => {
    const actions = seccompActions({
      arch: 'x86_64',
      preset: 'all',
      allow: ['ptrace'],
      deny: ['ptrace', 'socket'],
    });
    assert.deepEqual(actions.get(101), { kind: 'errno', errno: 'EPERM' });
    assert.deepEqual(actions.get(41), { kind: 'errno', errno: 'EPERM' });
  });

  it('socket_unix in deny closes unix sockets alone, beside whatever else the policy says', () => {
    const rows = [{}, { packets: [132] }, { packets: ['other' as const] }, { allow: ['socket'] }];
    for (const more of rows) {
      for (const preset of ['default', 'all'] as const) {
        const actions = seccompActions({ arch: 'x86_64', preset, deny: ['socket_unix'], ...more });
        const socket = actions.get(41);
        assert.ok(socket);
        assert.deepEqual(decide(socket, [1n, 1n, 0n]), { kind: 'errno', errno: 'EPERM' });
        assert.deepEqual(decide(socket, [1n, 5n, 0n]), { kind: 'errno', errno: 'EPERM' });
        assert.equal(decide(socket, [2n, 1n, 6n]).kind, 'allow');
        assert.equal(decide(socket, [10n, 2n, 17n]).kind, 'allow');
        const pair = actions.get(53);
        assert.equal(pair && decide(pair, [1n, 1n, 0n]).kind, 'allow');
      }
    }
    const minimal = seccompActions({ arch: 'x86_64', preset: 'minimal', deny: ['socket_unix'] });
    assert.deepEqual(minimal.get(41), { kind: 'errno', errno: 'EPERM' });
  });

  it('denying what is in the floor changes nothing', () => {
    const plain = compileSeccomp({ arch: 'x86_64', preset: 'default' });
    assert.deepEqual(
      compileSeccomp({ arch: 'x86_64', preset: 'default', deny: ['clone3'] }),
      plain,
    );
  });

  it('a call that the architecture does not have is no error', () => {
    const plain = compileSeccomp({ arch: 'aarch64', preset: 'default' });
    const denied = compileSeccomp({ arch: 'aarch64', preset: 'default', deny: ['open', 'fork'] });
    assert.deepEqual(denied, plain);
  });

  it('minimal computes: no sockets, no further processes, threads and files yes', () => {
    const actions = seccompActions({ arch: 'x86_64', preset: 'minimal' });
    const kind = (name: string, ...args: bigint[]) => {
      const action = actions.get(numberOf('x86_64', name) ?? -1);
      assert.ok(action, name);
      return decide(action, args).kind;
    };
    for (const name of ['socket', 'connect', 'bind', 'fork', 'vfork', 'shmget', 'inotify_init1']) {
      assert.equal(kind(name, 1n), 'errno', name);
    }
    assert.equal(kind('clone', 0x11n), 'errno');
    assert.equal(kind('clone', 0x3d0f00n), 'allow');
    for (const name of ['read', 'openat', 'execve', 'mmap', 'futex', 'exit_group', 'recvmsg']) {
      assert.equal(kind(name), 'allow', name);
    }
  });

  it('every preset allows what every program needs', () => {
    const needed =
      'read write openat close mmap munmap mprotect brk execve exit_group rt_sigreturn rt_sigaction futex rseq statx prctl prlimit64 capget sched_getaffinity sysinfo clock_nanosleep getrandom set_robust_list set_tid_address';
    for (const arch of archs) {
      for (const preset of presets) {
        const actions = seccompActions({ arch, preset });
        for (const name of needed.split(' ')) {
          assert.equal(actions.get(numberOf(arch, name) ?? -1)?.kind, 'allow', `${preset} ${name}`);
        }
      }
    }
  });

  it('an unknown name is refused with the nearest one', () => {
    for (const list of ['allow', 'deny'] as const) {
      assert.throws(
        () => compileSeccomp({ arch: 'x86_64', preset: 'default', [list]: ['ptarce'] }),
        invalid(
          'POLICY_INVALID',
          new RegExp(`syscalls.${list}: .*"ptarce"`),
          /did you mean ptrace/,
        ),
      );
    }
    for (const name of ['', 'x'.repeat(1_000_000), '__proto__', 'constructor']) {
      assert.throws(
        () => compileSeccomp({ arch: 'x86_64', preset: 'default', allow: [name] }),
        invalid('POLICY_INVALID', /no system call/, /./),
      );
    }
  });

  it('denying what no command can do without is refused', () => {
    for (const name of ['execve', 'exit_group', 'rt_sigreturn']) {
      assert.throws(
        () => compileSeccomp({ arch: 'x86_64', preset: 'all', deny: [name] }),
        invalid('POLICY_INVALID', new RegExp(`without ${name}`), /take/),
      );
    }
  });

  it('rows for explain: every number once, each with group, action and reason', () => {
    for (const arch of archs) {
      const rows = seccompTable({ arch, preset: 'default' });
      assert.equal(rows.length, syscallNames[arch].size);
      for (const row of rows) {
        assert.match(row.action, /^(allow(: .+)?|EPERM|ENOSYS)$/);
        assert.equal(policyTable.get(row.name)?.reason, row.reason);
      }
      assert.deepEqual(
        mustStayClosed.filter((name) => rows.some((row) => row.name === name && !row.floor)),
        [],
      );
    }
  });
});

function numberOf(arch: (typeof archs)[number], name: string): number | undefined {
  return [...syscallNames[arch]].find(([, known]) => known === name)?.[0];
}
