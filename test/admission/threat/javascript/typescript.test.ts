/** TypeScript: what is found, and where it stands, with types and with what has to be transformed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Analyzer } from '../../../../src/admission/threat/analyzer.ts';

const warnings: unknown[] = [];
process.on('warning', (warning) => warnings.push(warning));

const analyzer = await Analyzer.open(['typescript']);

function executionIn(source: string): { line: number; excerpt: string } | undefined {
  const { findings } = analyzer.analyze(source, { language: 'typescript', model: false });
  const found = findings.find(({ family }) => family === 'child-process');
  return found && { line: found.range.line, excerpt: found.excerpt };
}

test('types go, places stay', () => {
  const source =
    'import { exec } from "child_process";\ninterface A { b: string }\nconst x: A["b"] = "ls" as const;\nexec(x!);';
  assert.deepEqual(executionIn(source), { line: 4, excerpt: 'exec(x!)' });
});

test('enums, namespaces and parameter properties are analysed, to the line', () => {
  const source = [
    'import { exec } from "child_process";',
    'enum A { X = "ls" }',
    'namespace N { export const y: string = "s" }',
    'class K { constructor(private readonly z: number) {} }',
    'exec(A.X as string);',
  ].join('\n');
  assert.equal(executionIn(source)?.line, 5);
});

test('what is no TypeScript is read as far as it goes', () => {
  const source = 'const a: = 1;\nrequire("child_process").exec("id");';
  assert.equal(executionIn(source)?.line, 2);
});

test('nobody is told that stripping types is experimental', async () => {
  await setImmediate();
  assert.deepEqual(warnings, []);
});
