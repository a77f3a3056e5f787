import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { isCaissonError } from '../../src/core/error.ts';
import {
  compileLandlock,
  deviceAccess,
  handledAccess,
  type LandlockRequest,
  landlockRules,
  readAccess,
  writeAccess,
} from '../../src/plan/landlock.ts';

const FILE_BITS = 0b1100_0000_0000_0111n;

describe('landlock accesses by ABI', () => {
  it('handles what each ABI knows, no more', () => {
    const expected = [0x1fffn, 0x3fffn, 0x7fffn, 0x7fffn, 0xffffn, 0xffffn, 0xffffn];
    expected.forEach((access, index) => {
      assert.equal(handledAccess(index + 1), access, `ABI ${index + 1}`);
    });
  });

  it('no access is granted that is not handled, and none of directories on files', () => {
    for (let abi = 1; abi <= 8; abi++) {
      for (const access of [readAccess, writeAccess, deviceAccess]) {
        assert.equal(access(abi) & ~handledAccess(abi), 0n);
        assert.equal(access(abi, 'file') & ~FILE_BITS, 0n);
        assert.equal(access(abi, 'file'), access(abi) & FILE_BITS);
      }
    }
  });

  it('read is execute, read file and list; write holds read and makes no devices', () => {
    assert.equal(readAccess(7), 0b1101n);
    assert.equal(writeAccess(7) & readAccess(7), readAccess(7));
    assert.equal(writeAccess(7) & ((1n << 6n) | (1n << 11n) | (1n << 15n)), 0n);
    assert.equal(writeAccess(1), 0x17bfn);
    assert.equal(writeAccess(7), 0x77bfn);
    assert.equal(deviceAccess(7), 0xc00en);
  });
});

describe('compileLandlock', () => {
  const paths = [{ path: '/', access: 'read' }] as const;

  it('is nothing without Landlock', () => {
    assert.equal(compileLandlock({ abi: 0, paths }), undefined);
  });

  it('leaves out what the ABI does not know', () => {
    const tcp = { bind: [80], connect: [] };
    assert.deepEqual(compileLandlock({ abi: 1, paths, tcp }), {
      abi: 1,
      handledFs: 0x1fffn,
      handledNet: 0n,
      scoped: 0n,
      paths: [{ path: '/', access: 0b1101n }],
      ports: [],
    });
    assert.equal(compileLandlock({ abi: 5, paths })?.scoped, 0n);
    assert.equal(compileLandlock({ abi: 6, paths })?.scoped, 3n);
    assert.equal(compileLandlock({ abi: 99, paths })?.abi, 7);
  });

  it('rules over ports where it is asked to, one rule a port', () => {
    const plan = compileLandlock({ abi: 4, paths, tcp: { bind: [8080, 80], connect: [80, 443] } });
    assert.equal(plan?.handledNet, 3n);
    assert.deepEqual(plan.ports, [
      { port: 80, access: 3n },
      { port: 443, access: 2n },
      { port: 8080, access: 1n },
    ]);
    assert.equal(compileLandlock({ abi: 7, paths })?.handledNet, 0n);
    assert.equal(
      compileLandlock({ abi: 7, paths, tcp: { bind: [], connect: [] } })?.handledNet,
      3n,
    );
  });

  it('several grants for one path add up, sorted', () => {
    assert.deepEqual(
      landlockRules(7, [
        { path: '/w', access: 'write' },
        { path: '/dev/null', access: 'device', target: 'file' },
        { path: '/w', access: 'read' },
      ]),
      [
        { path: '/dev/null', access: 0xc006n },
        { path: '/w', access: 0x77bfn },
      ],
    );
  });

  it('refuses paths, ports and ABIs that are none', () => {
    const requests: LandlockRequest[] = [
      ...['', 'a', '/a/', '/a//b', '/a/../b', '/.', '/a\0b'].map(
        (path): LandlockRequest => ({ abi: 7, paths: [{ path, access: 'read' }] }),
      ),
      ...[-1, 65_536, 1.5, Number.NaN].map(
        (port): LandlockRequest => ({ abi: 7, paths: [], tcp: { bind: [port], connect: [] } }),
      ),
      { abi: -1, paths: [] },
      { abi: 1.5, paths: [] },
    ];
    for (const request of requests) {
      assert.throws(
        () => compileLandlock(request),
        (error) => isCaissonError(error) && error.code === 'PLAN_INVALID',
      );
    }
  });
});

const skip =
  process.platform !== 'linux'
    ? 'Landlock needs Linux'
    : spawnSync('gcc', ['--version']).error !== undefined
      ? 'gcc is not installed'
      : false;

describe('the real kernel enforces the rules', { skip }, () => {
  let directory = '';
  let probe = '';
  let abi = 0;
  const at = (name: string): string => join(directory, name);

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'caisson-landlock-'));
    probe = at('probe');
    const source = join(import.meta.dirname, 'landlock-probe.c');
    execFileSync('gcc', ['-std=gnu17', '-Wall', '-Wextra', '-Werror', '-o', probe, source]);
    abi = Array.from({ length: 7 }, (_, index) => 7 - index).find(works) ?? 0;
  });
  after(() => rmSync(directory, { recursive: true, force: true }));
  beforeEach(() => {
    for (const name of ['w', 'w/a', 'w/b', 'r']) mkdirSync(at(name), { recursive: true });
    writeFileSync(at('w/a/file'), 'before');
    writeFileSync(at('r/file'), 'before');
    writeFileSync(at('r/open'), 'before');
  });

  /** Whether the kernel takes a ruleset of this ABI. */
  function works(candidate: number): boolean {
    return run({ abi: candidate, paths: [{ path: '/', access: 'read' }] }, 'true').status === 0;
  }

  function run(request: LandlockRequest, script: string) {
    const plan = compileLandlock(request);
    assert.ok(plan);
    const rules = [
      ...plan.paths.flatMap(({ access, path }) => ['-p', `${access}`, path]),
      ...plan.ports.flatMap(({ access, port }) => ['-b', `${access}`, `${port}`]),
    ];
    const head = [plan.abi, plan.handledFs, plan.handledNet, plan.scoped].map(String);
    const options = { cwd: directory, encoding: 'utf8' } as const;
    return spawnSync(probe, [...head, ...rules, '--', 'sh', '-c', script], options);
  }

  function request(): LandlockRequest {
    return {
      abi,
      paths: [
        { path: '/', access: 'read' },
        { path: '/dev/null', access: 'device', target: 'file' },
        { path: at('w'), access: 'write' },
        { path: at('r/open'), access: 'write', target: 'file' },
      ],
    };
  }

  const needsLandlock = (t: { skip(reason: string): void }): boolean => {
    if (abi === 0) t.skip('this kernel has no Landlock');
    return abi !== 0;
  };

  it('takes every ABI up to its own, with every kind of rule', (t) => {
    if (!needsLandlock(t)) return;
    for (let candidate = 1; candidate <= abi; candidate++) {
      const tcp = { bind: [8080], connect: [443] };
      const result = run({ ...request(), abi: candidate, tcp }, 'true');
      assert.equal(result.status, 0, `ABI ${candidate}: ${result.stderr}`);
    }
  });

  it('a file with the accesses of a directory is refused by the kernel', (t) => {
    if (!needsLandlock(t)) return;
    const result = run({ abi, paths: [{ path: at('r/open'), access: 'write' }] }, 'true');
    assert.equal(result.stderr, 'path 22\n');
  });

  it('writes, makes, renames between directories and removes where it may', (t) => {
    if (!needsLandlock(t)) return;
    const script =
      'echo after > w/a/file && mkdir w/c && ln -s a w/l && mv w/a/file w/b/file && rm -r w/a && echo ok > r/open && echo x > /dev/null';
    const result = run(request(), script);
    if (abi === 1) return assert.notEqual(result.status, 0);
    assert.equal(result.status, 0, result.stderr);
    assert.equal(readFileSync(at('w/b/file'), 'utf8'), 'after\n');
    assert.equal(readFileSync(at('r/open'), 'utf8'), 'ok\n');
    assert.ok(!existsSync(at('w/a')));
  });

  it('changes nothing elsewhere', (t) => {
    if (!needsLandlock(t)) return;
    const attempts = [
      'echo after > r/file',
      'echo after >> r/file',
      'rm r/file',
      'mv r/file r/g',
      'mv r/file w/g',
      'ln r/file w/g',
      'mv w/a/file r/g',
      'mkdir r/d',
      'ln -s x r/l',
      ...(abi >= 3 ? ['truncate -s 0 r/file'] : []),
    ];
    for (const attempt of attempts) {
      assert.notEqual(run(request(), attempt).status, 0, attempt);
      assert.equal(readFileSync(at('r/file'), 'utf8'), 'before', attempt);
      assert.equal(readFileSync(at('w/a/file'), 'utf8'), 'before', attempt);
      for (const made of ['r/g', 'w/g', 'r/d', 'r/l']) assert.ok(!existsSync(at(made)), attempt);
    }
    const all: LandlockRequest = { abi, paths: [{ path: '/', access: 'write' }] };
    assert.equal(run(all, 'echo after > r/file').status, 0, 'ablation: with the rule it works');
    assert.equal(readFileSync(at('r/file'), 'utf8'), 'after\n');
  });

  it('reads nothing without a rule', (t) => {
    if (!needsLandlock(t)) return;
    const system = ['/usr', '/bin', '/lib', '/lib64', '/etc'].filter((path) => existsSync(path));
    const paths = system.map((path) => ({ path, access: 'read' as const }));
    const result = run({ abi, paths }, `cat ${at('r/file')}`);
    assert.notEqual(result.status, 0);
    assert.equal(result.stdout, '');
  });

  it('TCP ports: bound and connected to where a rule says so', (t) => {
    if (!needsLandlock(t)) return;
    if (abi < 4) return t.skip("this kernel's Landlock knows no ports");
    const script = (port: number): string =>
      `python3 -c 'import socket; s=socket.socket(); s.setsockopt(1,2,1); s.bind(("127.0.0.1",${port}))'`;
    const tcp = { bind: [18_443], connect: [] };
    assert.equal(run({ ...request(), tcp }, script(18_443)).status, 0);
    assert.match(run({ ...request(), tcp }, script(18_444)).stderr, /Permission denied/);
    assert.equal(run(request(), script(18_444)).status, 0, 'ablation: without rules over ports');
  });

  it('signals stay within', (t) => {
    if (!needsLandlock(t)) return;
    if (abi < 6) return t.skip("this kernel's Landlock knows no scopes");
    const outside = `kill -0 ${process.pid}`;
    assert.notEqual(run(request(), outside).status, 0);
    assert.equal(run(request(), 'sleep 9 & kill $!').status, 0);
    const open = { ...request(), scope: { abstractSockets: true, signals: false } };
    assert.equal(run(open, outside).status, 0, 'ablation: without the scope');
  });
});
