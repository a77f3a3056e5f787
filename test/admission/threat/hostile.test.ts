import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { test } from 'node:test';
import { type AnalysisLanguage, Analyzer } from '../../../src/admission/threat/analyzer.ts';
import { FAMILIES } from '../../../src/admission/threat/families.ts';

const HOSTILE = join(import.meta.dirname, '../../../examples/hostile');
const SAFE = join(import.meta.dirname, 'safe');
const LANGUAGES: Readonly<Record<string, AnalysisLanguage>> = {
  '.js': 'javascript',
  '.ts': 'typescript',
  '.py': 'python',
  '.sh': 'shell',
};

const filesOf = (folder: string): { path: string; language: AnalysisLanguage; text: string }[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && extname(entry.name) in LANGUAGES)
    .map((entry) => {
      const file = join(entry.parentPath, entry.name);
      const language = LANGUAGES[extname(entry.name)] ?? 'javascript';
      return { path: relative(folder, file), language, text: readFileSync(file, 'utf8') };
    });

const analyzer = await Analyzer.open();
const hostile = filesOf(HOSTILE);

for (const { path, language, text } of hostile) {
  test(`hostile: ${path} is refused, for the families that it names`, () => {
    const [, named = '', asPackage = ''] =
      /Families: ([a-z, -]+)\. As a package: (refused|ordinary)\./.exec(text) ?? [];
    assert.ok(asPackage !== '', 'says what it shows');
    const options = { language, path, model: false };
    const effect = analyzer.analyze(text, options);
    assert.ok(effect.score >= 80, `effect ${effect.score}`);
    const found = new Set<string>(
      effect.findings.filter(({ score }) => score > 0).map(({ family }) => family),
    );
    for (const family of named.split(', ')) assert.ok(found.has(family), `no finding of ${family}`);
    const whole = analyzer.analyze(text, { ...options, profile: 'package' });
    if (asPackage === 'refused') assert.ok(whole.score >= 80, `package ${whole.score}`);
    else assert.ok(whole.score < 80, `package ${whole.score}`);
  });
}

test('hostile: thirty files and more, of four languages, of every family; each with excerpt and remedy', () => {
  assert.ok(hostile.length >= 30);
  assert.equal(new Set(hostile.map(({ language }) => language)).size, 4);
  const named = new Set(
    hostile.flatMap(({ text }) => /Families: ([a-z, -]+)\./.exec(text)?.[1]?.split(', ') ?? []),
  );
  assert.deepEqual([...named].sort(), Object.keys(FAMILIES).sort());
  for (const { path, language, text } of hostile) {
    for (const finding of analyzer.analyze(text, { language, path, model: false }).findings) {
      assert.ok(finding.explanation.length > 10 && finding.remedy.length > 5, finding.rule);
      assert.match(finding.rule, /^[a-z0-9][a-z0-9/._-]{0,127}$/);
      assert.ok(finding.range.start >= 0 && finding.range.end <= text.length, finding.rule);
      assert.ok(finding.excerpt.length <= 160);
    }
  }
});

test('hostile: nothing in it names a machine that is there', () => {
  for (const { path, text } of hostile) {
    for (const [, host = ''] of text.matchAll(/(?:https?|stratum\+tcp):\/\/([^/:'"\s]+)/g)) {
      assert.match(host, /(\.example\.invalid|^203\.0\.113\.\d+)$/, path);
    }
  }
});

const safe = filesOf(SAFE);

for (const { path, language, text } of safe) {
  test(`safe: ${path} scores under 10 under effect`, () => {
    const { score, findings } = analyzer.analyze(text, { language, path, model: false });
    assert.ok(score < 10, `${score}: ${findings.map(({ rule }) => rule).join(', ')}`);
  });
}

test('safe: forty pieces and more', () => {
  assert.ok(safe.length >= 40);
});
