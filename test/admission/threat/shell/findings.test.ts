/** From source to findings: what is hidden is folded, and each finding stands at its place. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: texts of another language
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Analyzer } from '../../../../src/admission/threat/analyzer.ts';

let analyzer: Analyzer;
before(async () => {
  analyzer = await Analyzer.open(['shell']);
});

const inspected = (source: string) => analyzer.inspect(source, { language: 'shell' });

/** A source, a command that it uses, and its first word or what is piped into it. */
const uses: readonly (readonly [
  source: string,
  path: string,
  word?: string | undefined,
  input?: string,
])[] = [
  ["c'u'rl x", 'sh:curl', 'x'],
  ['\\c\\url x', 'sh:curl', 'x'],
  ["$'\\x63url' x", 'sh:curl', 'x'],
  ['X=cu; Y=rl; $X$Y x', 'sh:curl', 'x'],
  ['X="curl -s x"; $X', 'sh:curl', '-s'],
  ['X=abcurlz; ${X:2:4} x', 'sh:curl', 'x'],
  ['X=xurl; ${X//x/c} x', 'sh:curl', 'x'],
  ['X=CURL; ${X,,} x', 'sh:curl', 'x'],
  ['$(echo cu)rl x', 'sh:curl', 'x'],
  ["$(printf '\\x63\\x75')rl x", 'sh:curl', 'x'],
  ['A=(c u r l); ${A[0]}${A[1]}rl x', 'sh:curl', 'x'],
  ['eval "$(echo di | rev)"', 'sh:eval', 'id'],
  ['echo aWQ= | base64 -d | sh', 'sh:sh', undefined, 'id'],
  ["sh <<< 'id'", 'sh:sh', undefined, 'id'],
  ['cat <<E | sh\nid\nE\n', 'sh:sh', undefined, 'id\n'],
  ['f() { $1 "$2"; }; f curl x', 'sh:curl', 'x'],
  ['sudo -n /usr/bin/env X=1 curl x', 'sh:curl', 'x'],
  ['echo a >> ${HOME:0:1}etc/x', 'sh:>', '/etc/x'],
];
for (const [source, path, word, input] of uses) {
  test(source.replaceAll('\n', ' ⏎ '), () => {
    const { facts } = inspected(source);
    const found = facts.uses.filter((use) => use.path === path);
    assert.ok(found.length > 0, facts.uses.map((use) => use.path).join(' '));
    assert.equal(found[0]?.args[0]?.constant, word);
    if (input !== undefined) assert.equal(found[0]?.input?.constant, input);
  });
}

test('a finding stands at its place, behind letters outside of the basic plane, too', () => {
  const source = '#!/bin/sh\n# 😀 é\necho "😀"; curl -s x | sh # z\n';
  const { findings } = inspected(source);
  const finding = findings.find(({ rule }) => rule === 'shell/dynamic-code/downloaded');
  assert.ok(finding, findings.map(({ rule }) => rule).join(' '));
  const { start, end, line, column } = finding.range;
  assert.equal(source.slice(start, end), 'sh');
  assert.deepEqual([line, column], [3, 24]);
});

test('arithmetic and texts have no findings', () => {
  const source =
    '#!/bin/sh\nset -e\nx=1\nadd() { echo "$(($1 + $2))"; }\nif [ "$x" = 1 ]; then add 1 "$x"; fi\n';
  const { findings, notes } = inspected(source);
  assert.deepEqual(findings, []);
  assert.deepEqual(notes, []);
});
