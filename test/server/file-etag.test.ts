/** ETags of files that are being changed: told as strong only where a later change is sure to make another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FilesEntry } from '../../src/backends/backend.ts';
import { versionOf } from '../../src/sandbox/file-version.ts';
import { FileTag, type Versions } from '../../src/server/routes/file-etag.ts';

const MS = 1_000_000n;
const entry = { name: 'a', mode: 0o100644, size: 3, mtimeNs: 0n, inode: 7n } as const;
const info = { type: 'file', mode: 0o644, size: 3, modifiedMs: 0 } as const;

/** Answers with one after the other, and with the last for ever. */
function filesOf(
  ...states: readonly Pick<FilesEntry, 'ctimeNs' | 'clockNs'>[]
): Versions & { asked: number } {
  const files = {
    asked: 0,
    statVersion: async () => {
      const state = states[Math.min(files.asked++, states.length - 1)];
      const version = versionOf({ ...entry, ...state });
      assert.ok(version !== undefined);
      return { info, version };
    },
  };
  return files;
}

const at = (ctimeNs: bigint, clockNs: bigint) => ({ ctimeNs, clockNs });

test('one that was changed a tick ago is told at once', async () => {
  const files = filesOf(at(4n * MS, 8n * MS));
  assert.match((await FileTag.settled(files, 'a')).text, /^"/);
  assert.equal(files.asked, 1);
});

test('one that was changed within this tick is told in the next, as it is then', async () => {
  const files = filesOf(at(4n * MS, 4n * MS), at(5n * MS, 4n * MS), at(5n * MS, 8n * MS));
  const tag = await FileTag.settled(files, 'a');
  assert.equal(files.asked, 3);
  assert.equal(tag.text, (await FileTag.now(filesOf(at(5n * MS, 9n * MS)), 'a')).text);
});

test('one that is changed all the time is told as weak, which nothing is written over by', async () => {
  const files = filesOf(at(4n * MS, 4n * MS));
  const tag = await FileTag.settled(files, 'a');
  assert.match(tag.text, /^W\/"/);
  const later = await FileTag.now(filesOf(at(4n * MS, 8n * MS)), 'a');
  for (const each of [tag, later]) {
    assert.equal(each.isAmong(tag.text), false);
    assert.equal(each.isExactly(tag.text), false);
    assert.equal(each.mayBeAmong(tag.text), true);
    assert.equal(each.isAmong('*'), true);
  }
});

test('what was told is matched however soon, and in a list', async () => {
  const told = (await FileTag.settled(filesOf(at(4n * MS, 8n * MS)), 'a')).text;
  const now = await FileTag.now(filesOf(at(4n * MS, 4n * MS)), 'a');
  assert.equal(now.isAmong(`"x", ${told}`), true);
  assert.equal(now.isExactly(told), true);
});

test('inode, size and time of change each make another; nothing is made up where one is not told', () => {
  const told = { ...entry, ...at(4n * MS, 8n * MS) };
  const ids = [
    told,
    { ...told, inode: 8n },
    { ...told, size: 4 },
    { ...told, ctimeNs: 4n * MS + 1n },
  ];
  assert.equal(new Set(ids.map((each) => versionOf(each)?.id)).size, 4);
  // Of a listing.
  assert.equal(versionOf({ name: 'a', mode: 0, size: 0, mtimeNs: 0n }), undefined);
});
