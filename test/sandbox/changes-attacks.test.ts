/** What a guest leaves to be listed and applied: many, deep, strange, and ended on the way. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isCaissonError } from '../../src/core/error.ts';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { type Change, Changes } from '../../src/sandbox/changes.ts';
import { Overlay } from '../../src/sandbox/overlay.ts';
import { statOf } from '../proc-stat.ts';
import { until } from '../until.ts';

const launcher = locateLauncher().path;

/** @param fill makes the workspace before the overlay is */
function stage(fill: (work: (path: string) => string) => void = () => {}, protect: string[] = []) {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-')));
  mkdirSync(join(base, 'work'));
  const work = (path: string) => join(base, 'work', path);
  fill(work);
  execFileSync('sleep', ['0.03']);
  const about = { workspace: work('.').slice(0, -1), policyDigest: 'd', protect };
  const overlay = Overlay.create(join(base, 'state'), { ...about, workspace: join(base, 'work') });
  const upper = (path: string) => join(overlay.directory, 'upper', path);
  return {
    work,
    upper,
    overlay,
    state: join(base, 'state'),
    whiteout: (path: string) => execFileSync('mknod', [upper(path), 'c', '0', '0']),
    opaque: (path: string) =>
      execFileSync('python3', [
        '-c',
        'import os, sys; os.setxattr(sys.argv[1], "user.overlay.opaque", b"y")',
        upper(path),
      ]),
    read: () => Changes.read(overlay, launcher),
    [Symbol.dispose]: () => rmSync(base, { recursive: true }),
  };
}
const paths = (entries: readonly Change[]) => entries.map(({ kind, path }) => `${kind} ${path}`);

test('a deleted directory keeps what is protected in it, and a file does not take its place', async () => {
  const fill = (work: (path: string) => string) => {
    for (const name of ['one', 'two']) {
      mkdirSync(work(`${name}/inner`), { recursive: true });
      writeFileSync(work(`${name}/inner/.env`), 'SECRET\n');
      writeFileSync(work(`${name}/other`), '');
    }
  };
  using at = stage(fill, ['**/.env']);
  at.whiteout('one');
  writeFileSync(at.upper('two'), 'in its place');
  const { skipped } = await (await at.read()).apply({ skipProtected: true });
  for (const name of ['one', 'two']) {
    assert.equal(readFileSync(at.work(`${name}/inner/.env`), 'utf8'), 'SECRET\n');
    assert.equal(existsSync(at.work(`${name}/other`)), false);
  }
  assert.deepEqual(skipped.map(({ path }) => path).sort(), [
    'one',
    'one/inner',
    'one/inner/.env',
    'two',
    'two/inner',
    'two/inner/.env',
  ]);
});

test('pages, from wherever they begin, are the list', async () => {
  using at = stage((work) => {
    for (const path of ['a/b', 'a!/x', 'o/in/deep', 'o/kept', 'w.d/y']) {
      mkdirSync(work(path), { recursive: true });
      writeFileSync(work(`${path}/f`), '');
      writeFileSync(work(`${path}.f`), '');
    }
  });
  for (const path of ['a', 'o', 'o/kept', 'new']) mkdirSync(at.upper(path));
  for (const path of ['a!', 'w.d', 'a/b']) at.whiteout(path);
  for (const path of ['a.b', 'a/b!', 'o/kept/g', 'new/\ufffdx', 'new/\u{1f600}', 'new/l\nf']) {
    writeFileSync(at.upper(path), 'new');
  }
  at.opaque('o');
  at.opaque('o/kept');
  const { entries } = await at.read();
  const bytes = entries.map(({ path }) => Buffer.from(path));
  assert.deepEqual(bytes, [...bytes].sort(Buffer.compare));
  const deleted = entries.filter(({ kind }) => kind === 'deleted').map(({ path }) => path);
  for (const path of ['a!/x/f', 'a/b/f', 'o/in', 'o/in/deep/f', 'o/kept.f', 'o/kept/f', 'w.d/y']) {
    assert.ok(deleted.includes(path), path);
  }
  for (const limit of [1, 2, 3, 7]) {
    const found: Change[] = [];
    for (let after: string | undefined, more = true; more; after = found.at(-1)?.path) {
      const page = await Changes.page(at.overlay, launcher, { after, limit });
      found.push(...page.entries);
      assert.ok(page.entries.length <= limit);
      more = page.more;
    }
    assert.deepEqual(found, entries, `pages of ${limit}`);
  }
  // What is gone between pages is where the next one begins all the same.
  const page = await Changes.page(at.overlay, launcher, { after: 'a.a is not there', limit: 1 });
  assert.deepEqual(paths(page.entries), ['added a.b']);
});

test('names, types and depths that a guest chooses', async () => {
  using at = stage((work) => {
    writeFileSync(work('file'), 'file');
    mkdirSync(work('directory/inner'), { recursive: true });
    writeFileSync(work('directory/inner/leaf'), 'leaf');
    writeFileSync(work('__proto__'), 'old');
    writeFileSync(work('linked'), 'old');
    linkSync(work('linked'), work('linked too'));
  });
  const script =
    'cd "$1"; : > "$(printf "bad\\377")"; mkdir "$(printf "dir\\376")"; i=0; while [ $i -lt 1000 ]; do mkdir d && cd d; i=$((i+1)); done; echo deep > f';
  execFileSync('sh', ['-c', script, 'sh', at.upper('.')]);
  writeFileSync(at.upper('x'.repeat(255)), 'long');
  writeFileSync(at.upper('line\nbreak'), 'line');
  mkdirSync(at.upper('file'));
  writeFileSync(at.upper('file/in'), 'in');
  writeFileSync(at.upper('directory'), 'now a file');
  writeFileSync(at.upper('linked'), 'one');
  writeFileSync(at.upper('linked too'), 'two');
  writeFileSync(at.upper('__proto__'), 'new');
  writeFileSync(at.upper('sparse'), 'start');
  truncateSync(at.upper('sparse'), 1024 ** 4);
  execFileSync('mkfifo', [at.upper('pipe')]);
  const { skipped } = await (await at.read()).apply();
  assert.deepEqual(paths(skipped), ['added bad\ufffd', 'added dir\ufffd', 'added pipe']);
  assert.equal(readFileSync(at.work(`${'d/'.repeat(1000)}f`), 'utf8'), 'deep\n');
  assert.equal(readFileSync(at.work('x'.repeat(255)), 'utf8'), 'long');
  assert.equal(readFileSync(at.work('line\nbreak'), 'utf8'), 'line');
  assert.equal(readFileSync(at.work('file/in'), 'utf8'), 'in');
  assert.equal(readFileSync(at.work('directory'), 'utf8'), 'now a file');
  assert.equal(readFileSync(at.work('linked'), 'utf8'), 'one');
  assert.equal(readFileSync(at.work('linked too'), 'utf8'), 'two');
  const { size, blocks } = statSync(at.work('sparse'));
  assert.equal(size, 1024 ** 4);
  assert.ok(blocks * 512 < 1024 ** 2, `its holes stay holes: ${blocks} blocks`);
  // And back again: what apply itself has written is nobody else's.
  for (const path of ['file', 'directory', '__proto__'])
    rmSync(at.upper(path), { recursive: true });
  writeFileSync(at.upper('__proto__'), 'newer');
  writeFileSync(at.upper('file'), 'a file again');
  mkdirSync(at.upper('directory'));
  await (await at.read()).apply();
  assert.equal(readFileSync(at.work('__proto__'), 'utf8'), 'newer');
  assert.equal(readFileSync(at.work('file'), 'utf8'), 'a file again');
  assert.deepEqual(readdirSync(at.work('directory')), []);
});

const MANY = 4000;
const OLD = 'old\n'.repeat(200);
const NEW = 'new!\n'.repeat(200);

function many() {
  const at = stage((work) => {
    for (let i = 0; i < MANY; i++) writeFileSync(work(`f${i}`), OLD);
  });
  for (let i = 0; i < MANY; i++) writeFileSync(at.upper(`f${i}`), NEW);
  return at;
}
const applied = (at: ReturnType<typeof many>): number => {
  const contents = Array.from({ length: MANY }, (_, i) => readFileSync(at.work(`f${i}`), 'utf8'));
  for (const content of contents) assert.ok(content === OLD || content === NEW, 'half of a file');
  return contents.filter((content) => content === NEW).length;
};

test('an apply that is ended between two files is gone on with, and leaves nothing beside', async () => {
  using at = many();
  const changes = await at.read();
  const controller = new AbortController();
  const timer = setInterval(() => {
    if (readFileSync(at.work('f0'), 'utf8') === NEW) controller.abort();
  }, 1);
  await assert.rejects(changes.apply({}, { signal: controller.signal }), (error) => {
    assert.ok(isCaissonError(error) && error.code === 'ABORTED', String(error));
    assert.equal(error.details.applied, applied(at));
    return true;
  });
  clearInterval(timer);
  const some = applied(at);
  assert.ok(some > 0 && some < MANY, `${some}`);
  assert.equal(readdirSync(at.work('.')).length, MANY);
  const { applied: rest } = await (await at.read()).apply();
  assert.equal(rest.length, MANY - some);
  assert.equal(applied(at), MANY);
});

/** An apply in a process of its own. @param first is run before it */
function applying(at: ReturnType<typeof stage>, first = '') {
  const program = `
    ${first}
    const { Changes } = await import(${JSON.stringify(new URL('../../src/sandbox/changes.ts', import.meta.url).href)});
    const { Overlay } = await import(${JSON.stringify(new URL('../../src/sandbox/overlay.ts', import.meta.url).href)});
    const [state, id, launcher] = process.argv.slice(1);
    await (await Changes.read(Overlay.open(state, id), launcher)).apply();`;
  const args = ['--input-type=module', '-e', program, at.state, at.overlay.id, launcher];
  return spawn(process.execPath, args, { stdio: 'inherit' });
}

test('a killed apply leaves whole files, old or new, and is gone on with', async () => {
  using at = many();
  const child = applying(at);
  const timer = setInterval(() => {
    if (readFileSync(at.work('f0'), 'utf8') === NEW) child.kill('SIGKILL');
  }, 1);
  const [, signal] = await once(child, 'exit');
  clearInterval(timer);
  assert.equal(signal, 'SIGKILL');
  const some = applied(at);
  assert.ok(some > 0 && some < MANY, `${some}`);
  await (await at.read()).apply();
  assert.equal(applied(at), MANY);
});

describe('what an apply was making when it was killed', () => {
  /** What is made has all its content when it gets its name: there the apply stands still, or is killed. */
  const ends = (signal: string, name: string): string => `
    import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    const rename = fs.renameSync;
    fs.renameSync = (from, to) => {
      if (to.endsWith('/${name}')) process.kill(process.pid, '${signal}');
      rename(from, to);
    };
    syncBuiltinESMExports();`;
  const fill = (at: ReturnType<typeof stage>): void => {
    mkdirSync(at.upper('d/empty'), { recursive: true });
    writeFileSync(at.upper('a'), NEW);
    writeFileSync(at.upper('d/file'), NEW);
    symlinkSync('../a', at.upper('d/link'));
  };
  const left = (at: ReturnType<typeof stage>): string[] =>
    readdirSync(at.work('.'), { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.includes('.caisson-'),
    );
  const goOn: Record<string, (at: ReturnType<typeof stage>) => Promise<unknown>> = {
    apply: async (at) => await (await at.read()).apply(),
    discard: async (at) => await at.overlay.discard(),
  };

  for (const name of ['a', 'd', 'empty', 'file', 'link']) {
    for (const [how, next] of Object.entries(goOn)) {
      test(`${name}: removed by the next ${how}`, async () => {
        using at = stage();
        fill(at);
        const child = applying(at, ends('SIGKILL', name));
        assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL']);
        assert.equal(left(at).length, 1);
        await next(at);
        assert.deepEqual(left(at), []);
        if (how === 'apply') assert.equal(readFileSync(at.work('d/link'), 'utf8'), NEW);
      });
    }
  }

  test('one that is at work still keeps it', async () => {
    using at = stage();
    fill(at);
    const child = applying(at, ends('SIGSTOP', 'link'));
    await until('it stands still', () => statOf(child.pid ?? 0)?.state === 'T');
    await (await at.read()).apply();
    assert.equal(left(at).length, 1);
    child.kill('SIGCONT');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    assert.deepEqual(left(at), []);
    assert.equal(readFileSync(at.work('d/link'), 'utf8'), NEW);
  });
});

test('an option that nobody knows applies nothing', async () => {
  using at = stage();
  writeFileSync(at.upper('a'), 'a');
  const changes = await at.read();
  const slip: object = { onyl: ['b'] };
  await assert.rejects(changes.apply(slip), { code: 'REQUEST_INVALID', hint: /only/ });
  assert.equal(existsSync(at.work('a')), false);
});
