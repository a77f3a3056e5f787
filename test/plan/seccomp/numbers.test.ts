import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { syscallNames } from '../../../src/plan/seccomp/numbers.ts';
import { policyTable } from '../../../src/plan/seccomp/policy-table.ts';

const x86Header = '/usr/include/x86_64-linux-gnu/asm/unistd_64.h';
const genericHeader = '/usr/include/asm-generic/unistd.h';

describe('syscall numbers', () => {
  for (const [arch, names] of Object.entries(syscallNames)) {
    it(`${arch}: ascending, each name once`, () => {
      const numbers = [...names.keys()];
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      );
      assert.equal(new Set(names.values()).size, names.size);
    });

    it(`${arch}: every call has a row with a reason`, () => {
      for (const name of names.values()) {
        assert.ok((policyTable.get(name)?.reason.length ?? 0) >= 6, `${name} has no reason`);
      }
    });
  }

  it('no row names a call that no architecture has', () => {
    const known = new Set(Object.values(syscallNames).flatMap((names) => [...names.values()]));
    assert.deepEqual(
      [...policyTable.keys()].filter((name) => !known.has(name)),
      [],
    );
  });

  it('ends with what Linux 6.18 has, numbered alike on both', () => {
    for (const names of Object.values(syscallNames)) {
      assert.equal(names.get(424), 'pidfd_send_signal');
      assert.equal(names.get(451), 'cachestat');
      assert.equal(names.get(457), 'statmount');
      assert.equal(names.get(462), 'mseal');
      assert.equal(names.get(467), 'open_tree_attr');
      assert.equal(names.get(469), 'file_setattr');
      assert.equal([...names.keys()].at(-1), 470);
    }
  });

  it("x86-64 agrees with this machine's kernel header", {
    skip: existsSync(x86Header) ? false : 'linux-libc-dev for x86-64 is not installed',
  }, () => {
    const defined = [
      ...readFileSync(x86Header, 'utf8').matchAll(/^#define __NR_(\w+) (\d+)$/gm),
    ].map(([, name, number]): [string, number] => [String(name), Number(number)]);
    assert.ok(defined.length > 350);
    for (const [name, number] of defined) {
      assert.equal(syscallNames.x86_64.get(number), name, `number ${number}`);
    }
  });

  it("aarch64 agrees with this machine's generic kernel header", {
    skip: !existsSync(genericHeader)
      ? 'linux-libc-dev is not installed'
      : spawnSync('gcc', ['--version']).error !== undefined && 'gcc is not installed',
  }, () => {
    const defined = genericNumbers();
    assert.ok(defined.length > 300);
    for (const [name, number] of defined) {
      assert.equal(syscallNames.aarch64.get(number), name, `number ${number}`);
    }
  });
});

/** As arch/arm64/include/uapi/asm/unistd.h asks the generic header for them; 3264 names are those of 64 bits. */
function genericNumbers(): [string, number][] {
  const source = [
    '#define __BITS_PER_LONG 64',
    '#define __ARCH_WANT_RENAMEAT',
    '#define __ARCH_WANT_NEW_STAT',
    '#define __ARCH_WANT_SET_GET_RLIMIT',
    '#define __ARCH_WANT_SYS_CLONE3',
    '#define __ARCH_WANT_MEMFD_SECRET',
    '#include <asm-generic/unistd.h>',
  ].join('\n');
  const macros = execFileSync('gcc', ['-E', '-dM', '-x', 'c', '-'], {
    input: source,
    encoding: 'utf8',
  });
  return [...macros.matchAll(/^#define __NR(?:3264)?_(\w+) (\d+)$/gm)]
    .map(([, name, number]): [string, number] => [
      name === 'fstatat' ? 'newfstatat' : String(name),
      Number(number),
    ])
    .filter(([name]) => name !== 'syscalls' && name !== 'arch_specific_syscall');
}
