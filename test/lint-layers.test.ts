/** Feeds the layer lint small trees, each with one fault, and sees each rule fail. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import layersJson from '../layers.json' with { type: 'json' };
import { type Layers, lintLayers } from '../scripts/lint-layers.ts';

const repository = resolve(import.meta.dirname, '..');

/** Lints a tree under the real layers.json; answers `file:line: message` for each finding. */
function lint(files: Record<string, string>): string[] {
  const root = mkdtempSync(join(tmpdir(), 'lint-layers-'));
  try {
    copyFileSync(join(repository, 'layers.json'), join(root, 'layers.json'));
    copyFileSync(join(repository, 'package.json'), join(root, 'package.json'));
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    return lintLayers(root).findings.map((each) => `${each.file}:${each.line}: ${each.message}`);
  } finally {
    rmSync(root, { recursive: true });
  }
}

const forbidden: [title: string, file: string, text: string, finding: RegExp][] = [
  [
    'a layer above imports one below',
    'src/policy/a.ts',
    "import '../plan/b.ts'",
    /policy stands above plan/,
  ],
  [
    'import type counts',
    'src/core/a.ts',
    "import type { B } from '../plan/b.ts'",
    /core stands above plan/,
  ],
  [
    'export from counts',
    'src/plan/a.ts',
    "export * from '../store/b.ts'",
    /plan stands above store/,
  ],
  [
    'export { } from counts',
    'src/plan/a.ts',
    "export { b } from '../store/b.ts'",
    /plan stands above store/,
  ],
  [
    'a dynamic import counts',
    'src/host/a.ts',
    "await import('../cli/b.ts')",
    /host stands above cli/,
  ],
  [
    'a template name counts',
    'src/host/a.ts',
    'await import(`../cli/b.ts`)',
    /host stands above cli/,
  ],
  [
    'a type by import() counts',
    'src/host/a.ts',
    "type B = import('../cli/b.ts').B",
    /host stands above cli/,
  ],
  ['a computed import hides', 'src/host/a.ts', 'await import(process.title)', /computed import/],
  [
    'neighbours on one line',
    'src/server/a.ts',
    "import '../mcp/b.ts'",
    /server and mcp stand on one line/,
  ],
  ['more neighbours', 'src/learn/a.ts', "import '../hermetic/b.ts'", /stand on one line/],
  ['compose is above index', 'src/compose.ts', "import './index.ts'", /compose stands above index/],
  ['a folder that is no layer', 'src/utils/a.ts', 'export {}', /utils is not a layer/],
  ['an import of no layer', 'src/cli/a.ts', "import '../utils/b.ts'", /utils is not a layer/],
  ['an import out of the sources', 'src/cli/a.ts', "import '../../test/b.ts'", /lies outside src/],
  ['an absolute import', 'src/cli/a.ts', "import '/etc/b.ts'", /by a relative path/],
  [
    'a backend imports another',
    'src/backends/process/a.ts',
    "import '../wasm/b.ts'",
    /backends\/process may not import backends\/wasm/,
  ],
  [
    'a shared file imports a backend',
    'src/backends/registry.ts',
    "import './process/a.ts'",
    /compose wires it/,
  ],
  [
    'sandbox sees a backend',
    'src/sandbox/a.ts',
    "import '../backends/process/b.ts'",
    /only backend.ts and program.ts and registry.ts/,
  ],
  [
    'core imports another package',
    'src/core/a.ts',
    "import 'yaml'",
    /core imports zod alone, not yaml/,
  ],
  ['core imports node', 'src/core/a.ts', "import 'node:fs'", /core imports zod alone, not node:fs/],
  [
    'a package of tests alone',
    'src/cli/a.ts',
    "import 'fast-check'",
    /fast-check is not a runtime dependency/,
  ],
  [
    'node in a pure layer',
    'src/plan/a.ts',
    "import { join } from 'node:path'",
    /may not import node:path/,
  ],
  [
    'node without its prefix',
    'src/plan/a.ts',
    "import { join } from 'path'",
    /may not import node:path/,
  ],
  [
    'a type of node',
    'src/policy/a.ts',
    "import type { Stats } from 'node:fs'",
    /may not import node:fs/,
  ],
  ['require', 'src/wasm/a.ts', "require('fs')", /may not import node:fs/],
  ['import = require', 'src/wasm/a.cts', "import fs = require('fs')", /may not import node:fs/],
  [
    'getBuiltinModule',
    'src/cli/a.ts',
    "process.getBuiltinModule('child_process')",
    /no node:child_process in cli/,
  ],
  [
    'a process in a face',
    'src/cli/a.ts',
    "import 'node:child_process'",
    /only launcher and backends start/,
  ],
  [
    'a process without prefix',
    'src/host/a.ts',
    "import { spawn } from 'child_process'",
    /only launcher and backends start/,
  ],
  ['a cluster', 'src/server/a.ts', "import 'node:cluster'", /only launcher and backends start/],
  ['the environment', 'src/plan/a.ts', 'export const a = process.env', /no process/],
  ['the clock', 'src/plan/a.ts', 'export const a = Date.now()', /no Date/],
  ['another clock', 'src/plan/a.ts', 'export const a = performance.now()', /no performance/],
  ['randomness', 'src/policy/a.ts', 'export const a = Math.random()', /no Math.random/],
  [
    'randomness, taken apart',
    'src/policy/a.ts',
    'export const { random } = Math',
    /so that Math.random cannot hide/,
  ],
  [
    'randomness, computed',
    'src/policy/a.ts',
    "export const a = Math['ran' + 'dom']()",
    /so that Math.random cannot hide/,
  ],
  [
    'cryptographic randomness',
    'src/policy/a.ts',
    'export const a = crypto.randomUUID()',
    /no crypto/,
  ],
  ['the network', 'src/wasm/a.ts', "export const a = fetch('')", /no fetch/],
  ['a timer', 'src/wasm/a.ts', 'setTimeout(() => {})', /no setTimeout/],
  ['Buffer', 'src/wasm/a.ts', "export const a = Buffer.from('')", /no Buffer/],
  ['the global object', 'src/plan/a.ts', "export const a = globalThis['process']", /no globalThis/],
  ['shorthand reads a global', 'src/plan/a.ts', 'export const a = { process }', /no process/],
  ['the module itself', 'src/plan/a.ts', 'export const a = import.meta.dirname', /no import.meta/],
  ['a file that does not parse', 'src/cli/a.ts', 'import {', /src\/cli\/a.ts:1: /],
];

for (const [title, file, text, finding] of forbidden) {
  test(`fails on ${title}`, () => {
    const findings = lint({ [file]: text });
    assert.ok(findings.length >= 1, 'nothing found');
    assert.match(findings.join('\n'), finding);
  });
}

test('names the line', () => {
  const text =
    "// import '../cli/not-this.ts'\nconst s = \"import '../cli/nor-this.ts'\";\n\nimport '../cli/b.ts';\n";
  const findings = lint({ 'src/host/a.ts': text });
  assert.deepEqual(findings, ['src/host/a.ts:4: host stands above cli and may not import it']);
});

test('lets through what is allowed', () => {
  const findings = lint({
    'src/core/a.ts': "import { z } from 'zod'; export const at = () => Date.now();",
    'src/plan/a.ts': [
      "import { sha256 } from '@noble/hashes/sha2.js';",
      "import '../core/a.ts'; import '../policy/b.ts'; import './seccomp/c.ts';",
      'export const wall = { process: 1, Date: Math.max(1, 2) };',
      'export const reads = wall.process + wall.Date; // process.env, Date.now()',
      'export interface Facts { process: number; fetch(): void }',
    ].join('\n'),
    'src/launcher/client.ts': "import { spawn } from 'node:child_process';",
    'src/backends/backend.ts': "import '../core/a.ts';",
    'src/backends/process/a.ts':
      "import '../backend.ts'; import './b.ts'; import 'node:child_process';",
    'src/sandbox/a.ts': "import '../backends/backend.ts'; import '../backends/registry.ts';",
    'src/compose.ts': "import './backends/process/a.ts';",
    'src/index.ts': "export * from './compose.ts';",
    'src/cli/main.ts':
      "import '../index.ts'; import m from '../../package.json' with { type: 'json' };",
  });
  assert.deepEqual(findings, []);
});

test('every layer but the first may import the one above and not the one below', () => {
  const { order } = layersJson as Layers;
  const line = (at: number) => order[at]?.[0] as string;
  for (let at = 1; at < order.length; at++) {
    const [above, below] = [line(at - 1), line(at)];
    const downward = lint({ [`src/${above}/a.ts`]: `import '../${below}/backend.ts'` });
    assert.match(downward.join('\n'), new RegExp(`${above} stands above ${below}`));
    const upward = lint({ [`src/${below}/a.ts`]: `import '../${above}/backend.ts'` });
    assert.deepEqual(upward, [], `${below} may import ${above}`);
  }
});

test('this repository keeps its own rules', () => {
  assert.deepEqual(lintLayers(repository).findings, []);
});
