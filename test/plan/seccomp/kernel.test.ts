import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { errnos } from '../../../src/plan/seccomp/action.ts';
import {
  compileActions,
  compileSeccomp,
  expectedAction,
  seccompActions,
} from '../../../src/plan/seccomp/compile.ts';
import { auditArch, syscallNames } from '../../../src/plan/seccomp/numbers.ts';
import { encodeProgram } from '../../../src/plan/seccomp/program.ts';
import { everyCall } from './every-call.ts';

const arch = process.arch === 'x64' ? 'x86_64' : process.arch === 'arm64' ? 'aarch64' : undefined;
const skip =
  process.platform !== 'linux' || arch === undefined
    ? 'seccomp needs Linux on x86-64 or aarch64'
    : spawnSync('gcc', ['--version']).error !== undefined
      ? 'gcc is not installed'
      : false;

/** Errnos of the filter are moved to where the kernel has none, so that its own refusals are not taken for ours. */
const MARK = 3000;

describe('the real kernel does what the table says', { skip }, () => {
  if (arch === undefined) return;
  let directory = '';
  let probe = '';

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'caisson-seccomp-'));
    probe = join(directory, 'probe');
    const source = join(import.meta.dirname, 'probe.c');
    const flags = ['-std=gnu17', '-O1', '-Wall', '-Wextra', '-Wconversion', '-Werror'];
    execFileSync('gcc', [...flags, '-o', probe, source]);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  for (const preset of ['default', 'minimal', 'all'] as const) {
    it(`${preset}: every number from 0 to 1024, and those with the x32 bit`, () => {
      const actions = seccompActions({ arch, preset });
      const marked = compileActions(auditArch[arch], actions, ({ errno }) => MARK + errnos[errno]);
      const filter = join(directory, `${preset}.bpf`);
      writeFileSync(filter, encodeProgram(marked));
      const calls = everyCall(syscallNames[arch]);
      const lines = execFileSync(probe, [filter, ...calls.map(({ text }) => text)], {
        encoding: 'utf8',
        maxBuffer: 1 << 24,
      })
        .trimEnd()
        .split('\n');
      assert.equal(lines.length, calls.length);
      const wrong = calls.flatMap(({ number, args, text }, index) => {
        const expected = expectedAction(actions, number, args);
        const [, outcome] = (lines[index] ?? '').split(/ (.*)/s);
        const value = Number(outcome);
        const met =
          expected.kind === 'errno' ? value === MARK + errnos[expected.errno] : !(value >= MARK);
        return met ? [] : [`${text}: table ${JSON.stringify(expected)}, kernel ${outcome}`];
      });
      assert.deepEqual(wrong, []);
    });
  }

  it('a refused call answers the errno of the table', () => {
    const filter = join(directory, 'plain.bpf');
    writeFileSync(filter, compileSeccomp({ arch, preset: 'default', deny: ['getppid'] }));
    const numbers = new Map([...syscallNames[arch]].map(([number, name]) => [name, number]));
    const asked = ['getppid', 'clone3', 'io_uring_setup', 'mount', 'unshare', 'keyctl', 'getuid'];
    const output = execFileSync(probe, [
      filter,
      '-i',
      ...asked.map((name) => `${numbers.get(name)}:0,0,0,0,0,0`),
    ]);
    const answers = output
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => Number(line.split(' ')[1]));
    assert.deepEqual(
      answers.map((answer) => Math.max(0, answer)),
      [errnos.EPERM, errnos.ENOSYS, errnos.ENOSYS, errnos.EPERM, errnos.EPERM, errnos.EPERM, 0],
    );
  });

  const sources: Readonly<Record<string, string>> = {
    'a.c': '#include <stdio.h>\nint main(void) { return printf("%d\\n", 42) < 0; }\n',
    Makefile: 'all:\n\t$(CC) -o a a.c && ./a\n',
  };
  const programs: readonly (readonly [name: string, argv: readonly string[]])[] = [
    ['sh', ['sh', '-c', 'x=$(echo 42 | cat); test -n "$x" && echo $x']],
    ['python3', ['python3', '-c', 'import subprocess as s; s.run(["echo", str(6*7)])']],
    [
      'python3',
      [
        'python3',
        '-c',
        'import threading, socket\na,b=socket.socketpair()\nt=threading.Thread(target=lambda:a.send(b"42"))\nt.start();t.join();print(b.recv(2).decode())',
      ],
    ],
    [
      'node',
      [
        process.execPath,
        '-e',
        'const c=require("child_process");c.exec("echo 42",(e,o)=>{if(e)throw e;process.stdout.write(o)})',
      ],
    ],
    [
      'node',
      [
        process.execPath,
        '-e',
        'const {Worker}=require("worker_threads");new Worker("require(`fs`).writeSync(1,`42\\n`)",{eval:true})',
      ],
    ],
    ['make and gcc', ['make', '-s', 'CC=gcc']],
    [
      'git',
      ['sh', '-c', 'git init -q . && git add a.c && git status --porcelain | grep -q A && echo 42'],
    ],
    ['perl', ['perl', '-e', 'print 6*7, "\\n"']],
    ['tar', ['sh', '-c', 'tar cf x.tar a.c && tar xf x.tar && echo 42']],
    ['npm', ['npm', '--version']],
    ['java', ['java', '-version']],
    ['go', ['go', 'version']],
    ['rustc', ['rustc', '--version']],
  ];
  for (const [name, argv] of programs) {
    const missing = spawnSync('sh', ['-c', 'command -v "$1"', 'sh', argv[0] ?? '']).status !== 0;
    it(`preset default runs ${name}: ${argv.at(-1)?.slice(0, 40)}`, {
      skip: missing ? `${argv[0]} is not installed` : false,
    }, () => {
      const filter = join(directory, 'default-plain.bpf');
      writeFileSync(filter, compileSeccomp({ arch, preset: 'default' }));
      for (const [file, text] of Object.entries(sources)) {
        writeFileSync(join(directory, file), text);
      }
      const run = spawnSync(probe, [filter, '-x', ...argv], { cwd: directory, encoding: 'utf8' });
      assert.equal(run.status, 0, run.stderr);
      if (!argv.at(-1)?.includes('version')) assert.equal(run.stdout, '42\n');
    });
  }

  it('preset minimal runs Node without sockets and processes', () => {
    const filter = join(directory, 'minimal-plain.bpf');
    writeFileSync(filter, compileSeccomp({ arch, preset: 'minimal' }));
    const script =
      'try{require("child_process").execSync("echo no");process.exit(1)}catch{process.stdout.write("42\\n")}';
    const run = spawnSync(probe, [filter, '-x', process.execPath, '-e', script], {
      encoding: 'utf8',
    });
    assert.equal(run.stdout, '42\n', run.stderr);
  });
});
