/** Whole scans, with a stand-in for the analyzer: what is decided, listed, counted, kept and waived. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { ScanReport } from '../../../src/admission/scan/report.ts';
import { toSarif } from '../../../src/admission/scan/sarif.ts';
import { scan } from '../../../src/admission/scan/scan.ts';
import type { ScanEvent, ScanOptions } from '../../../src/admission/scan/scan-options.ts';
import { ThreatStore } from '../../../src/store/threat-store.ts';
import { tar } from '../archive/make-archives.ts';

const worker = new URL('./fake-worker.ts', import.meta.url);

class Tree implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'caisson-scan-'));

  put(files: Readonly<Record<string, string | Buffer>>): this {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.path, name)), { recursive: true });
      writeFileSync(join(this.path, name), content);
    }
    return this;
  }

  at(name: string): string {
    return join(this.path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

function run(paths: readonly string[], options: ScanOptions = {}): Promise<ScanReport> {
  return scan(paths, { threads: { worker, threads: 2, timeLimitMs: 20_000 }, ...options });
}

test('effect: what is not declared is refused; listed by score, with the line it stands in', async () => {
  using tree = new Tree();
  tree.put({ 'a.js': 'x\nEVIL\n', 'b.js': 'good', 'c/d.py': 'EVIL' });
  const report = await run([tree.path]);
  assert.equal(report.decision, 'refused');
  assert.equal(report.score, 95);
  assert.deepEqual(
    report.listed.map(({ path }) => path),
    [tree.at('a.js'), tree.at('c/d.py')],
  );
  assert.equal(report.files.scanned, 3);
  assert.equal(report.files.refused, 2);
  assert.deepEqual(report.families, { 'child-process': 2 });
  assert.deepEqual(report.listed[0]?.findings[0]?.snippet, { text: 'EVIL', from: 0, length: 4 });
  assert.equal(report.roots[0]?.profile, 'effect');
});

test('profiles: package where there is a manifest, an archive or node_modules; as asked else', async () => {
  using tree = new Tree();
  const archive = gzipSync(tar([{ name: 'package/a.js', content: 'EVIL' }]));
  tree.put({
    'p/package.json': '{}',
    'p/a.js': 'EVIL',
    'node_modules/x/a.js': '1',
    'a.tgz': archive,
    'a.js': '1',
  });
  const profileOf = async (name: string, options?: ScanOptions): Promise<string | undefined> =>
    (await run([tree.at(name)], options)).roots[0]?.profile;
  assert.equal(await profileOf('p'), 'package');
  assert.equal(await profileOf('node_modules'), 'package');
  assert.equal(await profileOf('a.tgz'), 'package');
  assert.equal(await profileOf('a.js'), 'effect');
  assert.equal(await profileOf('p', { profile: 'effect' }), 'effect');
  const report = await run([tree.at('p'), tree.at('a.tgz')]);
  assert.equal(report.decision, 'suspicious');
  assert.deepEqual(
    report.listed.map(({ path }) => path),
    [tree.at('a.tgz!/package/a.js'), tree.at('p/a.js')],
  );
});

test('a manifest that claims a capability is believed only where the caller says so', async () => {
  using tree = new Tree();
  tree.put({ 'package.json': '{"caisson": {"declares": ["child-process"]}}', 'a.js': 'EVIL' });
  const effect = { profile: 'effect' } as const;
  assert.equal((await run([tree.path], effect)).decision, 'refused');
  assert.equal((await run([tree.path], { ...effect, trustManifest: true })).decision, 'passed');
  assert.equal(
    (await run([tree.path], { ...effect, declares: ['child-process'] })).decision,
    'passed',
  );
});

test('waivers: by rule and digest; what changed by one byte is refused again; what expired counts', async () => {
  using tree = new Tree();
  tree.put({ 'a.js': 'EVIL' });
  const digest = (await run([tree.path])).listed[0]?.digest ?? '';
  const waiver = {
    rule: 'fake/child-process/evil',
    digest,
    reason: 'looked at it',
    expires: '2030-01-01',
  };
  const now = Date.parse('2029-12-31');
  const waived = await run([tree.path], { waivers: [waiver], now, listFrom: 0 });
  assert.equal(waived.decision, 'passed');
  assert.equal(waived.listed[0]?.findings[0]?.waived, 'looked at it');
  assert.deepEqual(waived.families, {});
  const expired = await run([tree.path], { waivers: [waiver], now: Date.parse('2030-01-02') });
  assert.equal(expired.decision, 'refused');
  tree.put({ 'a.js': 'EVIL ' });
  assert.equal((await run([tree.path], { waivers: [waiver], now })).decision, 'refused');
});

test('waivers by path hold for that path, also where the analysis of another one is known', async () => {
  using tree = new Tree();
  tree.put({ 'x/a.js': 'EVIL', 'y/a.js': 'EVIL' });
  using opened = new Tree();
  const store = ThreatStore.open(opened.at('threat.db'));
  try {
    const waivers = [
      { family: 'child-process', path: 'x/a.js', reason: 'r', expires: '2099-01-01' } as const,
    ];
    for (let turn = 0; turn < 2; turn++) {
      const { listed } = await run([tree.path], { waivers, store });
      assert.deepEqual(
        listed.map(({ path }) => path),
        [tree.at('y/a.js')],
      );
    }
  } finally {
    store.close();
  }
});

test('what could not be looked at is no good score', async () => {
  using tree = new Tree();
  tree.put({ 'a.tar.bz2': 'BZh91AY', 'b.js': 'good', 'loop.js': 'LOOP' });
  const foreign = await run([tree.at('a.tar.bz2')]);
  assert.equal(foreign.decision, 'incomplete');
  assert.match(foreign.unread[0]?.reason ?? '', /bzip2/);
  using below = new Tree();
  below.put({ 'in/a.tar.bz2': 'BZh91AY', 'in/b.tar.xz': '', 'c.js': 'good' });
  writeFileSync(below.at('in/b.tar.xz'), Buffer.from('\xfd7zXZ\0', 'latin1'));
  const within = await run([below.at('.')]);
  assert.equal(within.decision, 'incomplete');
  assert.deepEqual(
    within.unread.map(({ path, reason }) => [/in\/.*/.exec(path)?.[0], reason.split(' ')[0]]),
    [
      ['in/a.tar.bz2', 'bzip2'],
      ['in/b.tar.xz', 'xz'],
    ],
    'none is passed over without its name',
  );
  tree.put({ 'd.rb': 'puts 1', 'e.js': '' });
  assert.equal((await run([tree.at('d.rb')])).decision, 'incomplete');
  assert.equal((await run([tree.at('e.js')])).decision, 'passed');
  const slow = await run([tree.at('loop.js')], {
    threads: { worker, threads: 1, timeLimitMs: 200 },
  });
  assert.equal(slow.decision, 'suspicious');
  assert.equal(slow.listed[0]?.unanalysed, 'time-limit');
  assert.equal(slow.files.unanalysed, 1);
  await assert.rejects(run([tree.at('missing')]), { code: 'PATH_MISSING' });
  await assert.rejects(run(['/dev/null']), { code: 'REQUEST_INVALID' });
});

test('an archive that lies is refused, and what is in it is looked at all the same', async () => {
  using tree = new Tree();
  tree.put({ 'a.tgz': gzipSync(tar([{ name: '../../x.js', content: 'EVIL' }])) });
  const { decision, listed } = await run([tree.at('a.tgz')]);
  assert.equal(decision, 'refused');
  assert.deepEqual(listed.map(({ findings }) => findings[0]?.rule).sort(), [
    'archive/path-outside',
    'fake/child-process/evil',
  ]);
});

test('known analyses are not made again, in another process either; statistics add up by day', async () => {
  using tree = new Tree();
  tree.put({ 'src/a.js': 'EVIL', 'src/b.py': 'good' });
  const now = Date.parse('2026-11-22T12:00:00Z');
  for (let turn = 0; turn < 2; turn++) {
    const store = ThreatStore.open(tree.at('threat.db'));
    const { files, decision } = await run([tree.at('src')], { store, now });
    assert.equal(files.cached, turn === 0 ? 0 : 2);
    assert.equal(decision, 'refused');
    store.close();
  }
  const store = ThreatStore.open(tree.at('threat.db'), true);
  const row = { day: '2026-11-22', language: 'javascript', files: 2, findings: 2, refused: 2 };
  assert.deepEqual(store.occurrences(), [
    { ...row, family: '' },
    { ...row, family: '', language: 'python', findings: 0, refused: 0 },
    { ...row, family: 'child-process' },
  ]);
  assert.deepEqual(store.occurrences(Date.parse('2026-11-23')), []);
  store.close();
});

test('events: the root, each listed file once, progress to the end', async () => {
  using tree = new Tree();
  tree.put(
    Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [`${i}.js`, i === 7 ? 'EVIL' : `good ${i}`]),
    ),
  );
  tree.put({ 'x.txt': '' });
  const events: ScanEvent[] = [];
  await run([tree.path], { onEvent: (event) => events.push(event) });
  assert.equal(events[0]?.kind, 'root');
  assert.equal(events.filter(({ kind }) => kind === 'file').length, 1);
  const last = events.findLast((event) => event.kind === 'progress');
  assert.deepEqual([last?.done, last?.total], [31, 31]);
});

test('it can be ended on the way', async () => {
  using tree = new Tree();
  tree.put({ 'a.js': 'LOOP', 'b.js': 'LOOP', 'c.js': 'LOOP' });
  const stop = new AbortController();
  const scanned = run([tree.path], {
    signal: stop.signal,
    threads: { worker, threads: 1, timeLimitMs: 300 },
  });
  stop.abort(new Error('enough'));
  await assert.rejects(scanned, { code: 'ABORTED' });
});

test('SARIF 2.1.0: what its schema asks for', async () => {
  using tree = new Tree();
  tree.put({
    'a b:é.js': 'x\nEVIL',
    'p.tgz': gzipSync(tar([{ name: 'package/a.js', content: 'EVIL' }])),
    'broken.tgz': gzipSync(tar([{ name: 'x.js', content: 'x'.repeat(5000) }])).subarray(0, 50),
  });
  const report = await run([tree.path], { listFrom: 0 });
  const sarif = JSON.parse(JSON.stringify(toSarif(report, '1.2.3')));
  assert.equal(sarif.version, '2.1.0');
  assert.match(sarif.$schema, /sarif-schema-2\.1\.0\.json$/);
  assert.equal(sarif.runs.length, 1);
  const [{ tool, results, artifacts, invocations }] = sarif.runs;
  assert.equal(tool.driver.name, 'Caisson');
  assert.equal(invocations[0].executionSuccessful, false);
  assert.ok(results.length >= 2);
  for (const result of results) {
    assert.equal(tool.driver.rules[result.ruleIndex].id, result.ruleId);
    assert.ok(['none', 'note', 'warning', 'error'].includes(result.level));
    assert.ok(result.message.text.length > 0);
    assert.match(result.partialFingerprints['caissonFinding/v1'], /^[0-9a-f]{64}$/);
    const { artifactLocation, region } = result.locations[0].physicalLocation;
    assert.deepEqual(artifacts[artifactLocation.index].location.uri, artifactLocation.uri);
    assert.doesNotMatch(artifactLocation.uri, /[ é]/);
    assert.doesNotThrow(() => new URL(artifactLocation.uri, 'file:///'));
    if (region !== undefined) {
      assert.ok(region.startLine >= 1 && region.startColumn >= 1);
      assert.ok(region.endLine >= region.startLine);
    }
  }
  const inner = artifacts.findIndex(
    ({ parentIndex }: { parentIndex?: number }) => parentIndex !== undefined,
  );
  assert.equal(artifacts[inner].location.uri, '/package/a.js');
  assert.match(artifacts[artifacts[inner].parentIndex].location.uri, /\.tgz$/);
});

test('memory does not grow with what is scanned', async () => {
  using tree = new Tree();
  const code = `// ${'x'.repeat(200_000)}`;
  for (let i = 0; i < 600; i++) writeFileSync(tree.at(`${i}.js`), `${code}${i}`);
  const before = process.memoryUsage().rss;
  const { files } = await run([tree.path]);
  assert.equal(files.scanned, 600);
  assert.ok(files.bytes > 120_000_000);
  assert.ok(process.memoryUsage().rss - before < 200_000_000, 'all of it was held');
});
