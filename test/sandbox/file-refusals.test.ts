/**
 * Records of Landlock's as the kernel writes them (Documentation/admin-guide/LSM/landlock.rst; the first below is a record
 * of Linux 6.18 as this program read it), and what an observer saw, as violations. And what a guest may make of both.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RawFileRefusals, RawObservedRefusal } from '../../src/backends/backend.ts';
import type { Violation } from '../../src/core/outcome.ts';
import { fileViolations } from '../../src/sandbox/file-refusals.ts';

const real = {
  access: 'domain=1a33c64cb blockers=fs.make_dir path="/data" dev="tmpfs" ino=1',
  call: 'arch=c000003e syscall=83 success=no exit=-13 a0=2d7128d8 a1=1ff a2=0 a3=0 items=0 ppid=166 pid=169 auid=4294967295 uid=1879048192 gid=1879048192 tty=(none) ses=4294967295 comm="mkdir" exe="/bin/busybox" key=(null)',
  count: 1,
};

function violations(raw: Partial<RawFileRefusals>): Violation[] {
  return fileViolations({ logged: [], observed: [], dropped: 0, ...raw });
}

function logged(access: string, call?: string): Violation | undefined {
  const record = { access, count: 1, ...(call === undefined ? {} : { call }) };
  return violations({ logged: [record] })[0];
}

describe('Landlock’s records', () => {
  test('path, program, pid, rule and what would allow it', () => {
    assert.deepEqual(violations({ logged: [real] }), [
      {
        kind: 'file',
        target: '/data',
        reason:
          'making a directory in /data is refused by Landlock; filesystem.write: [/data] allows it',
        pid: 169,
        program: 'mkdir',
        rule: 'filesystem.write',
        details: { source: 'audit', blockers: ['fs.make_dir'] },
      },
    ]);
  });

  test('reading asks for filesystem.read, several accesses at once for what grants all', () => {
    const read = logged('domain=1 blockers=fs.read_file path="/etc/shadow" dev="vda" ino=3');
    assert.equal(read?.rule, 'filesystem.read');
    assert.equal(read?.pid, undefined);
    const both = logged('domain=1 blockers=fs.read_file,fs.write_file path="/a" dev="vda" ino=3');
    assert.equal(both?.rule, 'filesystem.write');
    assert.match(both?.reason ?? '', /^reading, writing \/a /);
    const device = logged('domain=1 blockers=fs.make_char path="/a" dev="vda" ino=3');
    assert.match(device?.reason ?? '', /no policy allows it$/);
  });

  test('a port is of kind network, what would leave the sandbox of kind syscall', () => {
    const port = logged('domain=1 blockers=net.connect_tcp daddr=127.0.0.1 dest=80');
    assert.deepEqual([port?.kind, port?.target], ['network', 'port 80/tcp']);
    const signal = logged('domain=1 blockers=scope.signal opid=1 ocomm="init"');
    assert.deepEqual([signal?.kind, signal?.target], ['syscall', 'scope.signal']);
  });

  test('equal ones of one program are one, whatever domain or file number they came with', () => {
    const record = (domain: number, count: number) => ({
      access: `domain=${domain} blockers=fs.read_file path="/a" dev="vda" ino=${domain}`,
      count,
    });
    const all = violations({ logged: [record(1, 2), record(2, 3), real] });
    assert.deepEqual(
      all.map(({ target, count }) => [target, count]),
      [
        ['/a', 5],
        ['/data', undefined],
      ],
    );
  });

  test('a name with a space, a quote or a newline comes in hexadecimal, and forges no field', () => {
    const hex = (text: string): string => Buffer.from(text).toString('hex').toUpperCase();
    const evil = '/tmp/x" blockers=fs.execute path="/bin/sh\n\u001b[2Jpid=1';
    const violation = logged(
      `domain=1 blockers=fs.write_file path=${hex(evil)} dev="vda" ino=3`,
      `arch=c000003e pid=77 comm=${hex('a pid=1\n')} exe="/x"`,
    );
    assert.equal(violation?.target, '/tmp/x" blockers=fs.execute path="/bin/sh??[2Jpid=1');
    assert.deepEqual(violation?.details, { source: 'audit', blockers: ['fs.write_file'] });
    assert.equal(violation?.pid, 77);
    assert.equal(violation?.program, 'a pid=1?');
  });

  test('what is cut off, garbled or too long is still told, without what is not known', () => {
    const whole = 'domain=1 blockers=fs.write_file path="/etc/passwd" dev="vda2" ino=351';
    for (let length = 0; length <= whole.length; length++) {
      const violation = logged(whole.slice(0, length), real.call.slice(0, length));
      assert.ok(violation !== undefined && violation.reason !== '');
      assert.ok([undefined, '/etc/passwd'].includes(violation.target) || violation.kind !== 'file');
    }
    assert.equal(logged('domain=1 blockers=fs.read_file path=<too_long>')?.target, undefined);
    assert.equal(logged('domain=1 blockers=fs.read_file path=2F6')?.target, undefined);
    assert.equal(logged('domain=1 blockers=__proto__ path="/a"')?.kind, 'syscall');
    assert.equal(logged('domain=1 blockers=constructor path="/a"')?.kind, 'syscall');
    assert.equal(logged(real.access, 'pid=99999999999999999999')?.pid, undefined);
    assert.equal(logged(real.access, 'pid=-1 comm=(null)')?.pid, undefined);
  });

  test('what there was no room for is said, with how many', () => {
    assert.deepEqual(
      violations({ dropped: 4872 }).map(({ kind, count }) => [kind, count]),
      [['file', 4872]],
    );
  });
});

describe('what an observer saw', () => {
  const seen = (over: Partial<RawObservedRefusal>): Violation | undefined =>
    violations({
      observed: [
        {
          number: 257,
          errno: 2,
          path: Buffer.from('/root/.bashrc'),
          access: 1,
          pid: 7,
          program: 'cat',
          count: 1,
          ...over,
        },
      ],
    })[0];

  test('not shown, read-only, somebody else’s: each with its reason', () => {
    assert.match(seen({})?.reason ?? '', /does not show it; filesystem.read: \[\/root\/.bashrc\]/);
    const written = seen({ errno: 30, access: 2 });
    assert.match(written?.reason ?? '', /^writing .* read-only inside; filesystem.write: /);
    assert.equal(written?.rule, 'filesystem.write');
    assert.match(seen({ errno: 13 })?.reason ?? '', /permissions/);
    assert.match(seen({ access: 8 })?.reason ?? '', /^making, removing or changing /);
    assert.match(seen({ access: 4 })?.reason ?? '', /^executing /);
  });

  test('a path is made plain, and is fit to be printed', () => {
    assert.equal(seen({ path: Buffer.from('/a/../root//x/') })?.target, '/root/x/');
    assert.equal(seen({ path: Buffer.from([0x2f, 0xff, 0x1b, 0x0a]) })?.target, '/???');
  });
});
