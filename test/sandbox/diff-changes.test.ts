/** Diffs of what a guest left: many, large, dear to compare, and not read to their end. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { type Change, Changes } from '../../src/sandbox/changes.ts';
import { Overlay } from '../../src/sandbox/overlay.ts';
import { unifiedDiff } from '../../src/sandbox/text-diff.ts';

const launcher = locateLauncher().path;
/** Of this process: those that work on changes. */
const threads = new Set<Worker>();
let mostThreads = 0;
before(() => {
  process.on('worker', (worker) => {
    threads.add(worker);
    mostThreads = Math.max(mostThreads, threads.size);
    worker.once('exit', () => threads.delete(worker));
  });
});

function stage(fill: (work: (path: string) => string) => void = () => {}) {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-')));
  const workspace = join(base, 'work');
  mkdirSync(workspace);
  const work = (path: string) => join(workspace, path);
  fill(work);
  const about = { workspace, policyDigest: 'd', protect: [] };
  const overlay = Overlay.create(join(base, 'state'), about);
  const upper = (path: string) => join(overlay.directory, 'upper', path);
  return {
    work,
    upper,
    overlay,
    read: () => Changes.read(overlay, launcher),
    [Symbol.dispose]: () => rmSync(base, { recursive: true }),
  };
}

/** More than is made in one part. */
const MANY = 700;
const name = (i: number): string => `d${i % 7}/f${i}`;

function many() {
  const directories = (at: (path: string) => string): void => {
    for (let i = 0; i < 7; i++) mkdirSync(at(`d${i}`));
  };
  const at = stage((work) => {
    directories(work);
    for (let i = 0; i < MANY; i += 2) writeFileSync(work(name(i)), `one\nold ${i}\nthree\n`);
  });
  directories(at.upper);
  for (let i = 0; i < MANY; i++) writeFileSync(at.upper(name(i)), `one\nnew ${i}\nthree\n`);
  return at;
}

test('of many it is the diff of each, in order, and ends where it is told to', async () => {
  using at = many();
  writeFileSync(at.upper('binary'), Buffer.from([1, 0, 2]));
  writeFileSync(at.upper('latin'), Buffer.from('caf\xe9\n', 'latin1'));
  writeFileSync(at.upper('mark'), '\ufeffmark\n');
  writeFileSync(at.upper('large'), 'x'.repeat(1024 * 1024 + 1));
  writeFileSync(at.upper('just'), 'x'.repeat(1024 * 1024));
  writeFileSync(at.upper('empty'), '');
  symlinkSync('/etc/passwd', at.upper('link'));
  execFileSync('mkfifo', [at.upper('pipe')]);
  unlinkSync(at.upper(name(0)));
  execFileSync('mknod', [at.upper(name(0)), 'c', '0', '0']);
  const changes = await at.read();
  const notText = ['binary', 'latin', 'large'];
  const textOf = ({ path, kind, type }: Change): string => {
    if (type !== 'file') return `${kind} ${type} "${path}"\n`;
    if (notText.includes(path)) return `Binary files /dev/null and b/${path} differ\n`;
    const old = kind === 'added' ? '' : readFileSync(at.work(path), 'utf8');
    const now = kind === 'deleted' ? '' : readFileSync(at.upper(path), 'utf8');
    return unifiedDiff(path, old, now, kind);
  };
  const texts = changes.entries.map(textOf);
  assert.equal(texts.length, MANY + 8);
  assert.equal(await changes.diff(), texts.join(''));
  for (const shown of [1, 300, MANY]) {
    const start = texts.slice(0, shown).join('');
    const rest = `… and ${texts.length - shown} other changes, which are not shown\n`;
    assert.equal(await changes.diff({ most: start.length - 1 }), start + rest);
  }
  assert.equal(await changes.diff({ most: texts.join('').length - 1 }), texts.join(''));
});

test('no part is made before the last was taken', async () => {
  using at = many();
  const parts = (await at.read()).diffParts();
  assert.match((await parts.next()).value as string, /^\+new 0$/m);
  const [last] = Array.from({ length: MANY }, (_, i) => name(i))
    .sort()
    .slice(-1) as [string];
  writeFileSync(at.upper(last), 'only now\n');
  let rest = '';
  for await (const part of parts) rest += part;
  assert.match(rest, /^\+only now$/m);
});

test('what is discarded between two parts is told as that', async () => {
  using at = many();
  const parts = (await at.read()).diffParts();
  await parts.next();
  await at.overlay.discard();
  await assert.rejects(parts.next(), { code: 'SANDBOX_CLOSED' });
});

test('at most eight threads work on changes, and readers that never go on keep none of them', {
  timeout: 120_000,
}, async () => {
  using at = many();
  const changes = await at.read();
  mostThreads = threads.size;
  const readers = Array.from({ length: 16 }, () => changes.diffParts());
  try {
    for (const { value } of await Promise.all(readers.map((each) => each.next()))) assert.ok(value);
    const all = await Promise.all(Array.from({ length: 16 }, () => at.read()));
    for (const { entries } of all) assert.equal(entries.length, MANY);
    assert.equal(mostThreads, 8);
  } finally {
    for (const each of readers) await each.return();
  }
});

test('what is dear to compare is not compared where others wait', async () => {
  const equal = 'a\n'.repeat(45_000);
  const numbered = (word: string): string =>
    Array.from({ length: 1000 }, (_, i) => `${word} ${i}\n`).join('');
  const [old, now] = [`b\n${equal}${numbered('old')}`, `c\n${equal}${numbered('new')}`];
  using at = stage((work) => writeFileSync(work('f'), old));
  writeFileSync(at.upper('f'), now);
  const changes = await at.read();
  // The thread starts here, if there is none.
  const diff = await changes.diff();
  const direct = busyMs(() => assert.equal(unifiedDiff('f', old, now, 'modified'), diff));
  const from = busyNow();
  await changes.diff();
  const here = busyNow() - from;
  assert.ok(here < direct / 2, `${here} of ${direct} ms`);
});

/** What this thread has worked, whatever else the machine does. */
function busyNow(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function busyMs(work: () => void): number {
  const from = busyNow();
  work();
  return busyNow() - from;
}
