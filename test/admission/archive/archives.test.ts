/** Archives that are right, and archives that lie: what is read, and what is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import {
  ARCHIVE_LIMITS,
  type ArchiveLimits,
  type Oddity,
} from '../../../src/admission/archive/archive.ts';
import { bufferSource } from '../../../src/admission/archive/byte-source.ts';
import {
  type ArchiveFormat,
  archiveEntries,
  archiveFormat,
} from '../../../src/admission/archive/open-archive.ts';
import { pax, tar, tarEntry, zip } from './make-archives.ts';

interface Read {
  readonly files: Record<string, string | undefined>;
  readonly links: Record<string, string | undefined>;
  readonly odd: Oddity[];
  readonly kinds: string[];
}

async function read(
  bytes: Buffer,
  limits: Partial<ArchiveLimits> = {},
  as?: ArchiveFormat,
): Promise<Read> {
  const format = as ?? archiveFormat(bytes.subarray(0, 264));
  assert.ok(typeof format === 'string', 'it is an archive');
  const files: Record<string, string | undefined> = {};
  const links: Record<string, string | undefined> = {};
  const odd: Oddity[] = [];
  const options = {
    limits: { ...ARCHIVE_LIMITS, ...limits },
    odd: (each: Oddity) => odd.push(each),
  };
  for await (const entry of archiveEntries(bufferSource(bytes), format, options)) {
    if (entry.kind === 'link') links[entry.path] = entry.target;
    else files[entry.path] = (await entry.read())?.toString('latin1');
  }
  return { files, links, odd, kinds: odd.map(({ kind }) => kind) };
}

const two = [
  { name: 'package/a.js', content: 'a'.repeat(700) },
  { name: 'package/b.js', content: 'b' },
];

test('tar and tar.gz: entries with their content, in order', async () => {
  for (const bytes of [tar(two), gzipSync(tar(two))]) {
    const { files, odd } = await read(bytes);
    assert.deepEqual(files, { 'package/a.js': 'a'.repeat(700), 'package/b.js': 'b' });
    assert.deepEqual(odd, []);
  }
});

test('tar: entries that are not read are passed over', async () => {
  const seen: string[] = [];
  const options = { limits: ARCHIVE_LIMITS, odd: () => assert.fail() };
  for await (const { path } of archiveEntries(bufferSource(tar(two)), 'tar', options))
    seen.push(path);
  assert.deepEqual(seen, ['package/a.js', 'package/b.js']);
});

test('tar: long names of ustar, pax and GNU; sizes of pax; directories; gzip in members', async () => {
  const long = `${'d/'.repeat(120)}x.js`;
  const { files, odd } = await read(
    tar([
      { name: 'dir/', type: '5' },
      { name: 'y.js', prefix: 'p'.repeat(120), content: '1' },
      pax({ path: long }),
      { name: 'short', content: '2' },
      { name: '././@LongLink', type: 'L', content: `gnu/${long}\0` },
      { name: 'short', content: '3' },
      pax({ size: '3' }),
      { name: 'z.js', content: 'zzz', size: 0 },
    ]),
  );
  assert.deepEqual(files, {
    [`${'p'.repeat(120)}/y.js`]: '1',
    [long]: '2',
    [`gnu/${long}`]: '3',
    'z.js': 'zzz',
  });
  assert.deepEqual(odd, []);
  const members = Buffer.concat([
    gzipSync(tarEntry(two[0] as never)),
    gzipSync(tar([two[1] as never])),
  ]);
  assert.deepEqual(Object.keys((await read(members)).files), ['package/a.js', 'package/b.js']);
});

test('tar: what leads out of it is told, and read all the same', async () => {
  const { files, odd } = await read(
    tar([
      { name: '../up.js', content: '1' },
      { name: '/abs.js', content: '2' },
      { name: 'a\\..\\..\\win.js', content: '3' },
      { name: 'C:/c.js', content: '4' },
      pax({ path: 'x/../../pax.js' }),
      { name: 'harmless', content: '5' },
    ]),
  );
  assert.deepEqual(
    odd.map(({ kind }) => kind),
    Array(5).fill('path-outside'),
  );
  assert.deepEqual(Object.values(files), ['1', '2', '3', '4', '5']);
  assert.ok(Object.keys(files).every((path) => !path.includes('..') && !path.startsWith('/')));
});

test('tar: links, devices, duplicates, control characters', async () => {
  const { links, kinds } = await read(
    tar([
      { name: 'a/in', type: '2', link: '../b' },
      { name: 'a/out', type: '2', link: '../../etc/passwd' },
      { name: 'a/abs', type: '2', link: '/etc/passwd' },
      { name: 'hard', type: '1', link: '../x' },
      { name: 'pipe', type: '6' },
      { name: 'same.js', content: '1' },
      { name: './same.js', content: '2' },
      { name: 'e\u001b[2Jx.js', content: '3' },
    ]),
  );
  assert.equal(links['a/in'], '../b');
  assert.deepEqual(kinds, [
    'link-outside',
    'link-outside',
    'link-outside',
    'special-file',
    'duplicate',
    'path-strange',
  ]);
});

test('tar: sizes that contradict each other, sizes of links, sparse files', async () => {
  const lie = await read(tar([pax({ size: '1' }), { name: 'a.js', content: 'ab' }]));
  assert.ok(lie.kinds.includes('size-lie'));
  const link = await read(tar([{ name: 'l', type: '2', link: 'x', size: 512 }, { name: 'b.js' }]));
  assert.deepEqual(link.kinds, ['ambiguous']);
  const sparse = await read(tar([pax({ 'GNU.sparse.major': '1' }), { name: 'a.js' }]));
  assert.deepEqual(sparse.kinds, ['unsupported']);
  assert.equal(sparse.odd[0]?.ends, true);
});

test('tar: damage ends it and is told', async () => {
  const whole = tar(two);
  for (const cut of [100, 600, 1000]) {
    const { odd } = await read(whole.subarray(0, cut), {}, 'tar');
    assert.deepEqual(
      odd.map(({ kind, ends }) => [kind, ends]),
      [['damaged', true]],
      `cut at ${cut}`,
    );
  }
  const wrong = Buffer.from(whole);
  wrong[0] = 0x78;
  assert.deepEqual((await read(wrong, {}, 'tar')).kinds, ['damaged']);
  const packed = gzipSync(whole);
  assert.deepEqual((await read(packed.subarray(0, -20))).kinds, ['damaged']);
  const badPax = tar([{ name: 'p', type: 'x', content: '99 path=x\n' }, { name: 'a' }]);
  assert.deepEqual((await read(badPax)).kinds, ['damaged']);
});

test('what stands behind the end is told', async () => {
  const hidden = Buffer.concat([tar(two), tarEntry({ name: 'hidden.js', content: 'x' })]);
  const found = await read(hidden);
  assert.deepEqual(found.kinds, ['hidden-data']);
  assert.equal(found.files['hidden.js'], 'x', 'and looked at');
  const garbage = await read(Buffer.concat([tar(two), Buffer.from('garbage')]));
  assert.deepEqual(garbage.kinds, ['hidden-data']);
  assert.deepEqual((await read(tar(two, 10_240))).kinds, []);
  assert.deepEqual((await read(Buffer.concat([gzipSync(tar(two)), Buffer.from('behind')]))).kinds, [
    'hidden-data',
  ]);
  assert.deepEqual((await read(Buffer.concat([gzipSync(tar(two)), Buffer.alloc(99)]))).kinds, []);
});

test('bombs: bytes, ratio, entries, headers', async () => {
  const zeros = gzipSync(tar([{ name: 'z', content: Buffer.alloc(20 * 1024 * 1024) }]));
  assert.deepEqual((await read(zeros)).kinds, ['bomb']);
  assert.deepEqual((await read(gzipSync(tar(two)), { expandedBytes: 1000 })).kinds, ['bomb']);
  assert.deepEqual((await read(tar(two), { entries: 1 })).kinds, ['bomb']);
  const header = tar([{ name: 'p', type: 'x', size: 2 ** 32, content: '' }]);
  assert.deepEqual((await read(header)).kinds, ['bomb']);
  const large = await read(tar(two), { entryBytes: 100 });
  assert.deepEqual(large.files, { 'package/a.js': undefined, 'package/b.js': 'b' });
});

test('bombs: empty gzip members without an end', async () => {
  const empty = gzipSync('');
  const many = Buffer.concat(Array.from({ length: 10_001 }, () => empty));
  assert.deepEqual((await read(many)).kinds, ['bomb']);
});

test('bombs: a gzip bomb is not expanded', async () => {
  let bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  bomb = Buffer.concat(Array.from({ length: 30 }, () => bomb));
  const before = process.memoryUsage().rss;
  const { kinds } = await read(bomb);
  assert.equal(kinds.length, 1);
  assert.ok(process.memoryUsage().rss - before < 300 * 1024 * 1024);
});

test('zip: stored and deflated entries, zip64, directories', async () => {
  for (const zip64 of [false, true]) {
    const bytes = zip(
      [
        { name: 'd/', mode: 0o40755, method: 0 },
        { name: 'd/a.py', content: 'a'.repeat(500), zip64 },
        { name: 'd/b.py', content: 'b', method: 0 },
      ],
      { zip64 },
    );
    const { files, odd } = await read(bytes);
    assert.deepEqual(files, { 'd/a.py': 'a'.repeat(500), 'd/b.py': 'b' });
    assert.deepEqual(odd, []);
  }
  assert.deepEqual(await read(zip([])), { files: {}, links: {}, odd: [], kinds: [] });
});

test('zip: encrypted entries, unknown methods, links, names', async () => {
  const { kinds, files } = await read(
    zip([
      { name: 'secret.py', content: 'x', flags: 1 },
      { name: 'lzma.py', content: 'x', method: 14 },
      { name: 'l', content: '/etc/passwd', mode: 0o120777 },
      { name: '../../up.py', content: 'u' },
      { name: 'same', content: '1' },
      { name: 'same', content: '2' },
    ]),
  );
  assert.deepEqual(kinds, [
    'encrypted',
    'unsupported',
    'link-outside',
    'path-outside',
    'duplicate',
  ]);
  assert.equal(files['up.py'], 'u');
});

test('zip: sizes and checksums that lie', async () => {
  const small = await read(zip([{ name: 'a', content: 'x'.repeat(100), says: { size: 10 } }]));
  assert.deepEqual(small.kinds, ['size-lie']);
  const large = await read(zip([{ name: 'a', content: 'x', says: { size: 1000 } }]));
  assert.deepEqual(large.kinds, ['size-lie']);
  const crc = await read(zip([{ name: 'a', content: 'x', says: { crc: 1 } }]));
  assert.deepEqual(crc.kinds, ['size-lie']);
  assert.equal(crc.files.a, 'x');
});

test('zip: two accounts of what is in it', async () => {
  const names = await read(zip([{ name: 'good.py', localName: 'evil.py', content: 'x' }]));
  assert.deepEqual(names.kinds, ['ambiguous']);
  const count = await read(zip([{ name: 'a', content: 'x' }], { count: 3 }));
  assert.deepEqual(count.kinds, ['ambiguous']);
  const inner = zip([{ name: 'inner', content: 'i' }]);
  const nested = await read(zip([{ name: 'a', content: 'x' }], { comment: inner }), {}, 'zip');
  assert.ok(nested.kinds.length > 0, 'a zip file in the comment');
  const stored = await read(zip([{ name: 'a.zip', content: inner, method: 0 }]));
  assert.deepEqual(stored.kinds, [], 'a zip file as an entry');
});

test('zip: entries that overlap', async () => {
  const bytes = zip([
    { name: 'a', content: 'x'.repeat(50), method: 0 },
    { name: 'a', content: 'x'.repeat(50), method: 0, says: { offset: 0 } },
  ]);
  const { kinds, files } = await read(bytes);
  assert.ok(kinds.includes('overlap'));
  assert.deepEqual(files, {});
});

test('zip: bytes that belong to no entry', async () => {
  const hidden = zip([{ name: 'h', content: 'hidden' }]).subarray(0, 60);
  assert.deepEqual(
    (await read(zip([{ name: 'a', content: 'x' }], { before: hidden }), {}, 'zip')).kinds,
    ['hidden-data'],
  );
  assert.deepEqual((await read(zip([{ name: 'a', content: 'x' }], { gap: hidden }))).kinds, [
    'hidden-data',
  ]);
});

test('zip: bombs', async () => {
  const zeros = Buffer.alloc(20 * 1024 * 1024);
  assert.deepEqual((await read(zip([{ name: 'z', content: zeros }]))).kinds, ['bomb']);
  assert.deepEqual((await read(zip([{ name: 'a' }, { name: 'b' }]), { entries: 1 })).kinds, [
    'bomb',
  ]);
  // Says that it is small: it is expanded no further than it says.
  const bytes = zip([{ name: 'z', content: zeros, says: { size: 10 } }]);
  assert.deepEqual((await read(bytes)).kinds, ['size-lie']);
});

test('zip: data behind the deflated stream of an entry', async () => {
  const packed = Buffer.concat([deflateRawSync('x'), Buffer.from('payload')]);
  const bytes = zip([{ name: 'a', content: packed, method: 0, says: { size: 1 } }]);
  for (const at of [8, bytes.indexOf(Buffer.from([0x50, 0x4b, 1, 2])) + 10])
    bytes.writeUInt16LE(8, at);
  assert.ok((await read(bytes)).kinds.includes('size-lie'));
});

test('100,000 entries are read one by one; one more is a bomb', async () => {
  const block = tarEntry({ name: 'x.js', content: '1' });
  const many = Buffer.concat([...Array.from({ length: 100_001 }, () => block), Buffer.alloc(1024)]);
  const { kinds, odd } = await read(gzipSync(many, { level: 1 }), { ratio: 1e9 });
  assert.equal(kinds.filter((kind) => kind === 'duplicate').length, 99_999);
  assert.equal(odd.at(-1)?.kind, 'bomb');
});

test('zstd: frames one after the other, what stands behind them, a cut, a bomb', async () => {
  const block = Buffer.concat([tarEntry({ name: 'x.js', content: '1' }), Buffer.alloc(1024)]);
  const [head, rest] = [block.subarray(0, 700), block.subarray(700)];
  const packed = Buffer.concat([zstdCompressSync(head), zstdCompressSync(rest)]);
  assert.equal(archiveFormat(packed), 'zstd');
  assert.deepEqual((await read(packed)).kinds, []);
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
  for (const hidden of [skippable, Buffer.from('payload'), Buffer.alloc(64)]) {
    assert.deepEqual((await read(Buffer.concat([packed, hidden]))).kinds, ['hidden-data']);
  }
  assert.ok((await read(packed.subarray(0, -3))).kinds.includes('damaged'));
  const bomb = zstdCompressSync(Buffer.concat([block, Buffer.alloc(64 * 2 ** 20)]));
  assert.ok((await read(bomb)).kinds.includes('bomb'));
});

test('formats that are not read are named', () => {
  assert.deepEqual(archiveFormat(Buffer.from('BZh91AY')), { foreign: 'bzip2' });
  assert.deepEqual(archiveFormat(Buffer.from('\xfd7zXZ\0', 'latin1')), { foreign: 'xz' });
  assert.equal(archiveFormat(Buffer.from('#!/bin/sh\n')), undefined);
});

test('no bytes at all make a reader throw, hang or give a name that leads out', async () => {
  const bases = [
    tar(two),
    gzipSync(tar(two)),
    zip(
      [
        { name: 'a', content: 'abc' },
        { name: 'b', content: 'x'.repeat(99) },
      ],
      { zip64: true },
    ),
  ];
  const changes = fc.array(fc.tuple(fc.nat(3000), fc.integer({ min: 0, max: 255 })), {
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...bases), changes, fc.nat(3000), async (base, edits, cut) => {
      const bytes = Buffer.from(base);
      for (const [at, value] of edits) bytes[at % bytes.length] = value;
      const format = archiveFormat(base.subarray(0, 264)) as ArchiveFormat;
      const { files, links } = await read(
        cut % 3 === 0 ? bytes.subarray(0, cut) : bytes,
        {},
        format,
      );
      for (const path of [...Object.keys(files), ...Object.keys(links)]) {
        assert.ok(!path.split('/').includes('..') && !path.startsWith('/'), path);
      }
    }),
    { numRuns: 400 },
  );
});
