import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Action, ALLOW, ENOSYS, EPERM, errnos } from '../../../src/plan/seccomp/action.ts';
import {
  compileActions,
  compileSeccomp,
  expectedAction,
  type SeccompRequest,
  seccompActions,
} from '../../../src/plan/seccomp/compile.ts';
import { checkFilter, runFilter } from '../../../src/plan/seccomp/interpreter.ts';
import { auditArch, X32_BIT } from '../../../src/plan/seccomp/numbers.ts';
import { policyTable } from '../../../src/plan/seccomp/policy-table.ts';
import { decodeProgram, type Instruction, ret } from '../../../src/plan/seccomp/program.ts';

const archs = ['x86_64', 'aarch64'] as const;
const presets = ['default', 'minimal', 'all'] as const;
const LAST = 1024;
const HIGH = 0xffffffff_00000000n;

/** AUDIT_ARCH_* of others, and of none. */
const foreignArchs = [
  0, 1, 0x40000003, 0xc000003e, 0xc00000b7, 0x40000028, 0x800000b7, 0x80000016, 0xc00000f3,
  0x8000003e, 0xc000003f, 0xffffffff,
];

/** Where the checks of any call change their answer, for every argument, with and without high halves. */
const boundaryArgs: readonly bigint[][] = [
  0, 1, 2, 3, 5, 6, 8, 10, 16, 17, 30, 38, 40, 0x11, 0x80, 0o755, 0o1777, 0o2755, 0o4755, 0o6755,
  0x5411, 0x5412, 0x5413, 0x541b, 0x541c, 0x541d, 0x10000, 0x20000, 0x40000, 0x60008, 0x80000,
  0x100000, 0x3d0f00, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
  0x80000000, 0xfffffffe, 0xffffffff, 0x400000, 0x400008,
].flatMap((low) => {
  const value = BigInt(low);
  return [
    [value, value, value, value],
    [value | HIGH, value | HIGH, value | HIGH, value | HIGH],
    [value, 1n, 0n],
    [value, 0x80801n, 6n],
    [2n, value, 0n],
    [10n, 1n, value],
    [16n, 3n, value],
    [16n | HIGH, 3n | HIGH, value | HIGH],
    [0n, value, 0n],
    [0n, 0n, value],
    [0n, value << 32n, value << 32n],
    [value << 32n, 0n, 0n],
  ];
});

function expectedValue(actions: ReadonlyMap<number, Action>, number: number, args: bigint[]) {
  const action = expectedAction(actions, number, args);
  if (action.kind === 'notify') return ret.userNotif;
  return action.kind === 'allow' ? ret.allow : ret.errno + errnos[action.errno];
}

function assertEqualToTable(request: SeccompRequest, rows: readonly bigint[][]): void {
  const actions = seccompActions(request);
  const program = decodeProgram(compileSeccomp(request));
  checkFilter(program);
  const arch = auditArch[request.arch];
  for (let number = 0; number <= LAST; number++) {
    const checked = actions.get(number)?.kind === 'check';
    for (const args of checked ? rows : rows.slice(0, 2)) {
      const { value } = runFilter(program, { number, arch, args });
      if (value !== expectedValue(actions, number, args)) {
        assert.fail(`number ${number}, arguments ${args}: the filter says ${value.toString(16)}`);
      }
    }
    const x32 = runFilter(program, { number: X32_BIT + number, arch });
    assert.equal(x32.value, ret.errno + errnos.ENOSYS, `x32 number ${number}`);
  }
  for (const number of [0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff]) {
    assert.equal(runFilter(program, { number, arch }).value, ret.errno + errnos.ENOSYS);
  }
}

function assertForeignKilled(request: SeccompRequest): void {
  const program = decodeProgram(compileSeccomp(request));
  const own = auditArch[request.arch];
  for (const arch of foreignArchs.filter((other) => other !== own)) {
    for (let number = 0; number <= LAST; number++) {
      for (const bit of [0, X32_BIT]) {
        assert.equal(runFilter(program, { number: number + bit, arch }).value, ret.killProcess);
      }
    }
  }
}

describe('the filter is equal to the table', () => {
  for (const arch of archs) {
    for (const preset of presets) {
      it(`${arch}, ${preset}: every number, boundary arguments, x32 numbers`, () => {
        assertEqualToTable({ arch, preset }, boundaryArgs);
        assertEqualToTable({ arch, preset, notify: true }, boundaryArgs);
      });

      it(`${arch}, ${preset}: other architectures end the process`, () => {
        assertForeignKilled({ arch, preset });
      });
    }
  }

  const openable = [...policyTable].filter(([, row]) => row.open !== 'floor').map(([name]) => name);
  const deniable = [...policyTable.keys()].filter(
    (name) => !['execve', 'exit', 'exit_group', 'rt_sigreturn', 'write'].includes(name),
  );

  it('with any policy over any preset', () => {
    fc.assert(
      fc.property(
        fc.record({
          arch: fc.constantFrom(...archs),
          preset: fc.constantFrom(...presets),
          allow: fc.subarray(openable),
          deny: fc.subarray([...deniable, 'socket_unix']),
          notify: fc.boolean(),
        }),
        fc.array(fc.array(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), { maxLength: 6 }), {
          minLength: 2,
          maxLength: 8,
        }),
        (request, rows) => assertEqualToTable(request, rows),
      ),
      { numRuns: 60 },
    );
  });

  it('the longest of filters too, where jumps do not reach', () => {
    const actionOf = fc.oneof(
      fc.constant(ALLOW),
      fc.constant(EPERM),
      fc.constant(ENOSYS),
      fc.constant(policyTable.get('socket')?.action ?? ALLOW),
      fc.constant(policyTable.get('ioctl')?.action ?? ALLOW),
      fc.constant<Action>({ kind: 'notify', errno: 'EPERM' }),
    );
    fc.assert(
      fc.property(fc.array(actionOf, { minLength: 150, maxLength: 500 }), (list) => {
        const actions = new Map(list.map((action, index) => [index * 2, action]));
        const arch = auditArch.x86_64;
        const program = compileActions(arch, actions);
        checkFilter(program);
        for (let number = 0; number <= LAST; number++) {
          for (const args of [[], [2n, 5n, 0n], [0n, 0x5412n | HIGH], [16n, 0n, 9n]]) {
            const { value } = runFilter(program, { number, arch, args });
            if (value !== expectedValue(actions, number, args)) assert.fail(`number ${number}`);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it('no action at all is a filter that knows nothing', () => {
    const program = compileActions(auditArch.x86_64, new Map());
    checkFilter(program);
    const { value } = runFilter(program, { number: 0, arch: auditArch.x86_64 });
    assert.equal(value, ret.errno + errnos.ENOSYS);
  });
});

describe('what a check must not let by', () => {
  const program = decodeProgram(compileSeccomp({ arch: 'x86_64', preset: 'default' }));
  const call = (number: number, ...args: bigint[]) =>
    runFilter(program, { number, arch: auditArch.x86_64, args }).value;
  const refused = (errno: keyof typeof errnos) => ret.errno + errnos[errno];

  it('TIOCSTI and TIOCLINUX, whatever the high half says', () => {
    for (const request of [0x5412n, 0x541cn]) {
      for (const high of [0n, 1n << 32n, HIGH, 1n << 63n]) {
        assert.equal(call(16, 0n, request | high), refused('EPERM'));
      }
    }
    assert.equal(call(16, 0n, 0x5413n), ret.allow);
    assert.equal(call(16, 0x5412n, 0x5401n), ret.allow);
  });

  it('clone with any namespace flag, among others and with high bits', () => {
    for (const bit of [17n, 25n, 26n, 27n, 28n, 29n, 30n]) {
      assert.equal(call(56, 1n << bit), refused('EPERM'));
      assert.equal(call(56, (1n << bit) | 0x3d0f11n | HIGH), refused('EPERM'));
    }
    assert.equal(call(56, 0x01200011n), ret.allow);
    assert.equal(call(56, 0x003d0f00n | HIGH), ret.allow);
  });

  it('sockets beyond unix, internet and route netlink', () => {
    assert.equal(call(41, 1n, 1n, 0n), ret.allow);
    assert.equal(call(41, 2n, 0x80801n, 6n), ret.allow);
    assert.equal(call(41, 10n, 2n, 17n), ret.allow);
    assert.equal(call(41, 16n, 3n, 0n), ret.allow);
    assert.equal(call(41, 16n, 3n, 12n), refused('EPROTONOSUPPORT'));
    for (const family of [17n, 30n, 38n, 40n, 15n, 29n, 31n, 44n]) {
      assert.equal(call(41, family, 1n, 0n), refused('EAFNOSUPPORT'));
      assert.equal(call(41, family | HIGH, 1n, 0n), refused('EAFNOSUPPORT'));
    }
    assert.equal(call(41, 2n, 10n, 0n), refused('ESOCKTNOSUPPORT'), 'SOCK_PACKET');
    assert.equal(call(41, 2n, 5n, 0n), refused('ESOCKTNOSUPPORT'), 'SCTP by its type');
    for (const protocol of [132n, 256n, 262n, 33n, 136n]) {
      assert.equal(call(41, 2n, 1n, protocol), refused('EPROTONOSUPPORT'));
    }
  });

  it('a listener of its own, in either filter', () => {
    const notifying = decodeProgram(
      compileSeccomp({ arch: 'x86_64', preset: 'all', allow: ['seccomp'], notify: true }),
    );
    for (const filter of [program, notifying]) {
      const seccomp = (...args: bigint[]) =>
        runFilter(filter, { number: 317, arch: auditArch.x86_64, args }).value;
      for (const flags of [8n, 0x18n, 9n, 8n | HIGH, 0x3fn]) {
        assert.equal(seccomp(1n, flags), refused('EBUSY'));
      }
      for (const flags of [0n, 1n, 4n, 0x17n, 1n << 35n]) {
        assert.equal(seccomp(1n, flags), ret.allow);
      }
    }
  });

  it('set-user-ID and set-group-ID modes', () => {
    for (const [number, at] of [
      [90, 1],
      [91, 1],
      [268, 2],
      [452, 2],
    ] as const) {
      for (const mode of [0o4755n, 0o2755n, 0o6000n, 0o4755n | HIGH]) {
        assert.equal(call(number, ...pad(at), mode), refused('EPERM'));
      }
      assert.equal(call(number, ...pad(at), 0o1777n), ret.allow);
    }
  });
});

describe('the shape of the filter', () => {
  for (const arch of archs) {
    for (const preset of presets) {
      it(`${arch}, ${preset}: short, and hot calls take few steps without arguments`, () => {
        const program = decodeProgram(compileSeccomp({ arch, preset, notify: true }));
        assert.ok(program.length <= 240, `${program.length} instructions`);
        for (let number = 0; number <= LAST; number++) {
          const { steps } = runFilter(program, { number, arch: auditArch[arch], args: [] });
          const checked = readsArguments(program, number, auditArch[arch]);
          assert.ok(steps <= (checked ? 32 : 14), `number ${number} takes ${steps} steps`);
        }
        const hot = arch === 'x86_64' ? [0, 1, 110, 257, 202] : [63, 64, 173, 56, 98];
        for (const number of hot) {
          assert.equal(readsArguments(program, number, auditArch[arch]), false, `${number}`);
        }
      });
    }
  }

  it('equal policies have equal bytes', () => {
    const one = compileSeccomp({ arch: 'x86_64', preset: 'default', allow: ['ptrace', 'kcmp'] });
    const two = compileSeccomp({ arch: 'x86_64', preset: 'default', allow: ['kcmp', 'ptrace'] });
    assert.deepEqual(one, two);
  });
});

/** Whether the kernel could not read the answer off beforehand: the path of this number loads an argument. */
function readsArguments(program: readonly Instruction[], number: number, arch: number): boolean {
  const withoutArguments = program.map((instruction) =>
    instruction.code === 0x20 && instruction.k >= 16
      ? { code: 0x06, jt: 0, jf: 0, k: 0 }
      : instruction,
  );
  return runFilter(withoutArguments, { number, arch }).value === 0;
}

function pad(count: number): bigint[] {
  return Array.from({ length: count }, () => 0n);
}
