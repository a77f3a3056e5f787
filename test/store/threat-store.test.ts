/** What is kept of scans: counts by day, and analyses for a while. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { MS_PER_DAY, ThreatStore } from '../../src/store/threat-store.ts';

const root = mkdtempSync(join(tmpdir(), 'caisson-threat-'));
after(() => rmSync(root, { recursive: true, force: true }));
const row = { family: 'network', language: 'python', files: 1, findings: 2, refused: 1 };

test('occurrences of a day add up, of several processes too, and are read by day', () => {
  const path = join(root, 'a.db');
  const [one, other] = [ThreatStore.open(path), ThreatStore.open(path)];
  one.record([row], 10 * MS_PER_DAY);
  other.record([row, { ...row, family: '' }], 10 * MS_PER_DAY + 1);
  other.record([row], 11 * MS_PER_DAY);
  const all = one.occurrences();
  assert.deepEqual(
    all.map(({ day, family, findings }) => [day, family, findings]),
    [
      ['1970-01-11', '', 2],
      ['1970-01-11', 'network', 4],
      ['1970-01-12', 'network', 2],
    ],
  );
  assert.deepEqual(one.occurrences(11 * MS_PER_DAY + 5).length, 1);
  one.close();
  other.close();
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('analyses are found again, and forgotten when nobody asks for them', () => {
  const store = ThreatStore.open(join(root, 'b.db'));
  store.keepAnalyses(
    [
      ['old', '1'],
      ['used', '2'],
    ],
    0,
  );
  store.keepAnalyses([['used', '3']], 20 * MS_PER_DAY);
  assert.equal(store.analysis('old'), '1');
  assert.equal(store.analysis('used'), '3');
  store.keepAnalyses([['new', '4']], 40 * MS_PER_DAY);
  assert.equal(store.analysis('old'), undefined);
  assert.equal(store.analysis('used'), '3');
  assert.equal(store.analysis('none'), undefined);
  store.close();
});

test('a file that is none of ours is refused and left as it is', () => {
  const path = join(root, 'c.db');
  writeFileSync(path, 'something else');
  assert.throws(() => ThreatStore.open(path), { code: 'STORE_UNUSABLE' });
  assert.equal(statSync(path).size, 14);
});
