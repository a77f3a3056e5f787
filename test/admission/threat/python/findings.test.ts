/** From source to findings: what is hidden is folded, and each finding stands at its place. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Analyzer } from '../../../../src/admission/threat/analyzer.ts';

let analyzer: Analyzer;
before(async () => {
  analyzer = await Analyzer.open(['python']);
});

const inspected = (source: string) => analyzer.inspect(source, { language: 'python' });

/** A source, a path that it uses, and the first argument of that use. */
const uses: readonly (readonly [source: string, path: string, argument?: string])[] = [
  ["import os\ngetattr(os, 'sys' + 'tem')('ls')", 'py:os.system', 'ls'],
  ["__import__('o' + 's').__dict__['system']('id')", 'py:os.system', 'id'],
  ["import importlib as i\ni.import_module('subprocess').run('id')", 'py:subprocess.run', 'id'],
  ["globals()['__builtins__'].exec('x')", 'py:builtins.exec', 'x'],
  ["import sys\nsys.modules['os'].system('y')", 'py:os.system', 'y'],
  ["from os import *\nsystem('x')", 'py:os.system', 'x'],
  ["from os import system as s\ns('x')", 'py:os.system', 'x'],
  ["exec(''.join(chr(ord(c) ^ 1) for c in 'hello'))", 'py:builtins.exec', 'idmmn'],
  ["exec(''.join([chr(x) for x in [112, 114, 105]]))", 'py:builtins.exec', 'pri'],
  ["exec(''.join(map(chr, [112, 114, 105])))", 'py:builtins.exec', 'pri'],
  ["exec('tnirp'[::-1] + '(%d)' % 5 + '{}'.format('x'))", 'py:builtins.exec', 'print(5)x'],
  ["exec(bytes.fromhex('6964').decode())", 'py:builtins.exec', 'id'],
  ["import base64\nexec(base64.b64decode(b'aWQ=').decode('utf-8'))", 'py:builtins.exec', 'id'],
  ["import codecs\nexec(codecs.decode('vq', 'rot13'))", 'py:builtins.exec', 'id'],
  ["exec('{1}{0}'.format('d', 'i').replace('i', 'I').lower())", 'py:builtins.exec', 'id'],
  [
    'def d(s, k):\n  r = ""\n  for c in s:\n    r += chr(ord(c) - k)\n  return r\nexec(d("je", 1))',
    'py:builtins.exec',
    'id',
  ],
  [
    "def d(s, k): return ''.join(chr(ord(c) ^ k) for c in s)\neval(d('he', 1))",
    'py:builtins.eval',
    'id',
  ],
  ["x = ['e', 'x']\nexec(x[0] + x[-1])", 'py:builtins.exec', 'ex'],
];
for (const [source, path, argument] of uses) {
  test(source.replaceAll('\n', ' ⏎ '), () => {
    const { facts } = inspected(source);
    const found = facts.uses.filter((use) => use.path === path && use.form === 'call');
    assert.ok(found.length > 0, facts.uses.map((use) => use.path).join(' '));
    assert.equal(found[0]?.args[0]?.constant, argument);
  });
}

test('a finding stands at its place, behind letters outside of the basic plane, too', () => {
  const source = '# 😀 é\nx = "😀"; import os\nos.system("ö"); y = 1\n';
  const { findings } = inspected(source);
  const finding = findings.find(({ rule }) => rule === 'python/child-process/system');
  assert.ok(finding, findings.map(({ rule }) => rule).join(' '));
  const { start, end, line, column } = finding.range;
  assert.equal(source.slice(start, end), 'os.system("ö")');
  assert.deepEqual([line, column], [3, 1]);
});

test('arithmetic and texts have no findings', () => {
  const source =
    'def add(a, b):\n    """Adds."""\n    return [f"{a}-{x}" for x in range(b)]\n\nclass A:\n    n = 1\n    def m(self): return self.n % 2\n';
  const { findings, notes } = inspected(source);
  assert.deepEqual(findings, []);
  assert.deepEqual(notes, []);
});
