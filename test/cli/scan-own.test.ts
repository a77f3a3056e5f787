/** What a scan of this project's own dependencies says: nothing is refused that nobody has explained. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import type { ScanReport } from '../../src/admission/scan/report.ts';
import { entry, makePlace } from './caisson.ts';

const repository = resolve(import.meta.dirname, '../..');
const policy = join(repository, 'docs/threat/own-dependencies.yaml');

test('caisson scan node_modules/: progress, and no refusal without an explanation', () => {
  using place = makePlace();
  const { status, stdout, stderr } = spawnSync(
    entry,
    ['scan', 'node_modules/', '--policy', policy],
    {
      cwd: repository,
      env: place.environment,
      encoding: 'utf8',
      timeout: 400_000,
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  assert.equal(
    status,
    0,
    stdout
      .split('\n')
      .filter((line) => line.startsWith('refused'))
      .join('\n'),
  );
  assert.match(stderr, /profile package for node_modules\/: a directory of packages/);
  const [, files = '0'] = /^(\d+) files of code .*: 0 refused/m.exec(stdout) ?? [];
  assert.ok(Number(files) > 500, stdout.slice(-500));
});

test('caisson scan examples/hostile/: every file is refused, and the reason is named', () => {
  using place = makePlace();
  const { status, stdout, stderr } = place.caisson(['scan', 'examples/hostile/', '--json'], {
    cwd: repository,
  });
  assert.equal(status, 77, stderr);
  const { listed, skipped, unreadCount } = JSON.parse(stdout) as ScanReport;
  const refused = new Map(
    listed.filter(({ score }) => score >= 80).map((file) => [file.path, file]),
  );
  const files = readdirSync(join(repository, 'examples/hostile'), {
    recursive: true,
    withFileTypes: true,
  })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(repository, join(parentPath, name)));
  assert.ok(files.length > 20);
  for (const file of files) {
    const found = refused.get(file);
    assert.ok(found !== undefined, `${file} is not refused`);
    assert.ok((found.findings[0]?.explanation.length ?? 0) > 10, file);
  }
  assert.deepEqual([skipped, unreadCount], [{}, 0]);
});

test('each explanation is of a file as it is installed', () => {
  const { admission } = parse(readFileSync(policy, 'utf8'));
  assert.ok(admission.waivers.length > 0);
  for (const { path, digest, reason } of admission.waivers) {
    const bytes = readFileSync(join(repository, 'node_modules', path));
    assert.equal(createHash('sha256').update(bytes).digest('hex'), digest, path);
    assert.ok(reason.length > 20);
  }
});
