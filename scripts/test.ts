/**
 * Types, format, layers, the C tests, then every test/**\/*.test.ts. All of them run even when one
 * fails; the last lines say how many tests ran and which were skipped for which reason.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { stripVTControlCharacters } from 'node:util';
import { endLateFiles } from './end-late-files.ts';
import { checkSkips, type ExpectedSkip, Tally } from './tally.ts';
import { standsAlone } from './test-lanes.ts';

const repository = resolve(import.meta.dirname, '..');
process.chdir(repository);

/** The line of a test that is part of no other. */
const ENDS_BLOCK = /^[✔✖﹣]/m;

/** Of one file; the longest ones take a few minutes on a busy machine. */
const FILE_LIMIT_MS = Number(process.env.CAISSON_TEST_FILE_SECONDS ?? 600) * 1000;

// node:test takes what is thrown while it runs for its own, and says nothing.
process.prependListener('uncaughtException', fail);
process.prependListener('unhandledRejection', fail);

const only = process.argv.slice(2);
const failures: string[] = [];

function step(title: string, command: string, args: string[]): void {
  console.log(`\n── ${title}`);
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) failures.push(title);
}

if (only.length === 0) {
  step('types', 'tsc', []);
  step('format and lint', 'biome', ['check', '.']);
  step('layers', process.execPath, ['scripts/lint-layers.ts']);
  if (hasMakeTarget('native/launcher', 'test')) {
    step('C tests', 'make', ['-s', '-C', 'native/launcher', 'test']);
  }
}

console.log('\n── tests');
const tally = new Tally();
const files = testFiles(only);
const alone = files.filter((file) => standsAlone(file) !== undefined);
// Every test file is a process that loads much of the same; what is compiled once is read by the next one.
process.env.NODE_COMPILE_CACHE ??= resolve('build/compile-cache');
// One file at a time: tests of the host ask the kernel what is left, and would find one another. The others need no such care.
const late = endLateFiles(FILE_LIMIT_MS, (line) => failures.push(line));
await Promise.all([
  runAll(alone, 1),
  runAll(
    files.filter((file) => !alone.includes(file)),
    Math.max(1, availableParallelism() - 1),
  ),
]);

late[Symbol.dispose]();

const skips = JSON.parse(readFileSync('test/skips.json', 'utf8')) as { skips: ExpectedSkip[] };
const complaints = only.length === 0 ? checkSkips(tally, skips.skips, holdsHere) : [];
if (tally.passed + tally.failed.length === 0) complaints.push('no test ran');

console.log('');
for (const [reason, tests] of tally.skipped) {
  console.log(`skipped ${tests.length}: ${reason}`);
  for (const name of tests) console.log(`    ${name}`);
}
for (const complaint of complaints) console.log(`skips: ${complaint}`);
for (const title of [...tally.failed, ...failures]) console.log(`failed: ${title}`);
const skipped = [...tally.skipped.values()].flat().length;
const failed = tally.failed.length + failures.length + complaints.length;
console.log(`${tally.passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 ? 1 : 0;

async function runAll(files: readonly string[], concurrency: number): Promise<void> {
  if (files.length === 0) return;
  const events = run({ files: [...files], concurrency });
  events.on('test:pass', (event) => tally.add(event, true));
  events.on('test:fail', (event) => tally.add(event, false));
  // Whole tests at a time, since others write beside.
  let block = '';
  for await (const event of events.compose(new spec())) {
    const text = String(event);
    block += text;
    if (!ENDS_BLOCK.test(stripVTControlCharacters(text))) continue;
    process.stdout.write(block);
    block = '';
  }
  process.stdout.write(block);
}

function fail(error: unknown): never {
  console.error(error);
  console.error('failed: scripts/test.ts itself');
  process.exit(1);
}

function testFiles(below: string[]): string[] {
  const all = below.length > 0 ? below : ['test'];
  return all
    .flatMap((path) => (statSync(path).isDirectory() ? globSync(`${path}/**/*.test.ts`) : [path]))
    .map((path) => resolve(path))
    .sort();
}

function hasMakeTarget(folder: string, target: string): boolean {
  const makefile = join(folder, 'Makefile');
  return (
    existsSync(makefile) && new RegExp(`^${target}\\s*:`, 'm').test(readFileSync(makefile, 'utf8'))
  );
}

function holdsHere(command: string): boolean {
  return spawnSync('sh', ['-c', command], { stdio: 'ignore' }).status === 0;
}
