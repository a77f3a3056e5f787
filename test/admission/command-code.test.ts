/** What of a command is code, by each way that it takes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { commandCandidate } from '../../src/admission/command-candidate.ts';
import { commandParts, languageOfFile } from '../../src/admission/command-code.ts';

/** Without the line itself. */
const parts = (...argv: string[]) =>
  commandParts(argv)
    .slice(1)
    .map((part) =>
      part.kind === 'text'
        ? `${part.language}:${part.text}`
        : part.kind === 'file'
          ? `file:${part.path}${part.language === undefined ? '' : `:${part.language}`}`
          : part.kind === 'stdin'
            ? `stdin:${part.language}`
            : `unread:${part.name}`,
    );

describe('commands', () => {
  test('texts, scripts and stdin of interpreters are found', () => {
    for (const [argv, found] of [
      [['ls', '-l'], []],
      [['sh', '-c', 'T'], ['shell:T']],
      [
        ['/bin/bash', '-lc', 'T', 'zero'],
        ['file:/bin/bash', 'shell:T'],
      ],
      [['sh', '-c', '--', 'T'], ['shell:T']],
      [['bash', '-o', 'pipefail', '-ec', 'T'], ['shell:T']],
      [
        ['bash', '--rcfile', 'rc', 'x'],
        ['file:rc', 'file:x:shell'],
      ],
      [['sh', '-e', 'run.sh', 'a'], ['file:run.sh:shell']],
      [['sh'], ['stdin:shell']],
      [['sh', '-s', '--', 'a'], ['stdin:shell']],
      [['sh', '-'], ['stdin:shell']],
      [['python3', '-c', 'T'], ['python:T']],
      [['python3.11', '-Ic', 'T'], ['python:T']],
      [['python3', '-cT'], ['python:T']],
      [['python', '-W', 'error', 'x.py'], ['file:x.py:python']],
      [['python3', '-'], ['stdin:python']],
      [['python3', '--version'], []],
      [
        ['python3', '-Im', 'a.b', 'x'],
        ['file:a/b.py:python', 'file:a/b/__init__.py:python', 'file:a/b/__main__.py:python'],
      ],
      [
        ['python3', '-mx'],
        ['file:x.py:python', 'file:x/__init__.py:python', 'file:x/__main__.py:python'],
      ],
      [['node', '-e', 'T'], ['javascript:T']],
      [['node', '-pe', 'T'], ['javascript:T']],
      [['node', '--eval=T'], ['javascript:T']],
      [
        ['node', '-r', './a.js', 'b.js'],
        ['file:./a.js', 'file:b.js:javascript'],
      ],
      [
        ['node', '--import=./a.js', 'b.js'],
        ['file:./a.js', 'file:b.js:javascript'],
      ],
      [['node', '--', 'b.js'], ['file:b.js:javascript']],
      [['deno', 'run', 'b.js'], ['file:b.js:javascript']],
      [['deno', 'eval', 'T'], ['javascript:T']],
      [['perl', '-e', 'T'], ['unread:argv[2]']],
      [['ruby', 'x.rb'], ['unread:x.rb']],
      [['./configure'], ['file:./configure']],
      [['env', 'A=1', '-u', 'B', 'sh', '-c', 'T'], ['shell:T']],
      [['env', '-S', 'sh -c T'], ['shell:sh -c T']],
      [['env', '-Ssh -c T'], ['shell:sh -c T']],
      [['nice', '-n', '5', 'timeout', '-k', '1', '5s', 'sh', '-c', 'T'], ['shell:T']],
      [['busybox', 'sh', '-c', 'T'], ['shell:T']],
      [['find', '.', '-exec', 'sh', '-c', 'T', ';'], ['shell:T']],
      [['strace', '-f', 'python3', '-c', 'T'], ['python:T']],
      [['su', '-c', 'T', 'root'], ['shell:T']],
      [['xargs', '-n', '1', 'python3', 'x.py'], ['file:x.py:python']],
    ] as const) {
      assert.deepEqual(parts(...argv), found, argv.join(' '));
    }
  });

  test('the line itself is always looked at, its words whole', () => {
    const [line] = commandParts(['rm', "it's", '$(x)']);
    assert.ok(line?.kind === 'text');
    assert.equal(line.text, `rm 'it'\\''s' '$(x)'`);
  });

  test('wrappers in wrappers come to an end', () => {
    const deep = [...Array.from({ length: 10_000 }, () => 'env'), 'sh', '-c', 'T'];
    const [, last] = commandParts(deep);
    assert.equal(last?.kind, 'unread', 'and what is behind them is not waved through');
  });

  test('a file is what its name or its first line says', () => {
    const told = (path: string, text: string) => languageOfFile(path, Buffer.from(text));
    assert.equal(told('a.mjs', ''), 'javascript');
    assert.equal(told('a', '#!/bin/sh -e\n'), 'shell');
    assert.equal(told('a', '#!/usr/bin/env -S python3 -u\n'), 'python');
    assert.equal(told('a', '#!/usr/bin/env A=1 node\n'), 'javascript');
    assert.equal(told('a', '#!/usr/bin/perl\n'), undefined);
    assert.equal(told('a', 'plain'), undefined);
  });

  test('what is read, what is the system’s own, and what nobody sees', async () => {
    const files: Record<string, string> = {
      'x.py': 'print(1)',
      './native': '\x7fELF',
      './odd': 'nothing that is known',
    };
    const read = async (path: string) =>
      path.startsWith('/usr/')
        ? ('own' as const)
        : files[path] === undefined
          ? undefined
          : Buffer.from(files[path], 'latin1');
    const seen = async (...argv: string[]) => {
      const asked = { argv, input: { unseen: true }, read } as const;
      const { languages = {} } = await commandCandidate('c', asked);
      const { 'command line': _, ...rest } = languages;
      return rest;
    };
    const given = async (input: string | undefined) => {
      const { files } = await commandCandidate('c', { argv: ['sh'], input, read });
      return files.stdin;
    };
    assert.equal(await given('nothing'), 'nothing', 'a word like any other');
    assert.equal(await given(undefined), undefined);
    assert.deepEqual(await seen('python3', 'x.py'), { 'x.py': 'python' });
    assert.deepEqual(await seen('/usr/bin/python3', 'x.py'), { 'x.py': 'python' });
    assert.deepEqual(await seen('./native'), { './native': 'command' });
    assert.deepEqual(await seen('./odd'), { './odd': 'command' });
    assert.deepEqual(await seen('sh', 'gone.sh'), { 'gone.sh': 'command' });
    assert.deepEqual(await seen('python3', '-m', 'x'), { 'x.py': 'python' });
    assert.deepEqual(await seen('python3', '-m', 'json.tool'), {}, 'what is installed');
    assert.deepEqual(await seen('sh'), { stdin: 'command' });
  });
});
