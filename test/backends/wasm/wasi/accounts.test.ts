/** However files are made, changed, moved and removed: once all is gone, all of the room is there again, and no more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { directory, file, symlink } from '../../../../src/backends/wasm/wasi/tree.ts';
import { Guest, OPEN, ROOT } from './guest.ts';

const limits = { fileBytes: 1000, entries: 6, descriptors: 12, depth: 6 };

function removeAll(guest: Guest, path: string): void {
  guest.reset();
  const fd = guest.fd(path, { how: OPEN.directory });
  const { entries } = guest.readdir(fd);
  guest.call('fd_close', fd);
  for (const { name, type } of entries) {
    if (name === '.' || name === '..') continue;
    const below = `${path}/${name}`;
    if (type === 3) removeAll(guest, below);
    const gone = guest.path(type === 3 ? 'path_remove_directory' : 'path_unlink_file', below);
    assert.equal(gone, 'success', below);
  }
}

test('the accounts come out even', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'given', 'link');
  const path = fc.oneof(
    name,
    name,
    fc.array(name, { minLength: 2, maxLength: 3 }).map((names) => names.join('/')),
  );
  const verbs = [
    'mkdir',
    'rmdir',
    'unlink',
    'rename',
    'rename',
    'link',
    'symlink',
    'open',
    'open',
    'close',
    'write',
    'write',
    'resize',
    'renumber',
  ] as const;
  const step = fc.record({
    verb: fc.constantFrom(...verbs),
    from: path,
    to: path,
    size: fc.integer({ min: 0, max: 900 }),
    fd: fc.integer({ min: 4, max: 7 }),
    other: fc.integer({ min: 4, max: 7 }),
    how: fc.constantFrom(0, OPEN.create, OPEN.create, OPEN.truncate),
  });
  let full = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 30, maxLength: 120, size: 'max' }), (steps) => {
      const guest = Guest.in(
        {
          given: file(new Uint8Array(400)),
          a: directory({ given: file(new Uint8Array(100)), b: directory({}) }),
          link: symlink('a/given'),
        },
        { limits },
      );
      for (const { verb, from, to, size, fd, other, how } of steps) {
        guest.reset();
        const answer = {
          mkdir: () => guest.path('path_create_directory', from),
          rmdir: () => guest.path('path_remove_directory', from),
          unlink: () => guest.path('path_unlink_file', from),
          rename: () => guest.rename(from, to),
          link: () => guest.link(from, to),
          symlink: () => guest.symlink(to, from),
          open: () => guest.open(from, { how, follow: true }),
          close: () => guest.call('fd_close', fd),
          write: () => guest.write(fd, 'x'.repeat(size)),
          resize: () => guest.call('fd_filestat_set_size', fd, BigInt(size)),
          renumber: () => guest.call('fd_renumber', fd, other),
        }[verb]();
        if (verb === 'write' && typeof answer === 'number' && answer < size) full += 1;
        if (answer === 'nospc' || answer === 'mfile' || answer === 'nametoolong') full += 1;
      }
      const told = guest.host.changes();
      const bytes = told.reduce(
        (sum, change) => sum + (change.kind === 'file' ? change.size : 0),
        0,
      );
      // What was handed in and only moved is not the guest's.
      assert.ok(bytes <= limits.fileBytes + 500, `${bytes} bytes to be told`);
      for (let fd = 4; fd < 12; fd++) guest.call('fd_close', fd);
      removeAll(guest, '.');

      const fd = guest.fd('all', { how: OPEN.create });
      assert.equal(guest.write(fd, 'x'.repeat(limits.fileBytes + 1)), limits.fileBytes);
      for (let n = 1; n < limits.entries; n++) {
        assert.equal(guest.path('path_create_directory', `n${n}`), 'success');
      }
      assert.equal(guest.path('path_create_directory', 'more'), 'nospc');
      for (let n = 5; n < limits.descriptors; n++) assert.equal(guest.fd('all'), n);
      assert.equal(guest.open('all'), 'mfile');
      assert.equal(guest.readdir(ROOT).entries.length, 2 + limits.entries);
    }),
    { numRuns: 500 },
  );
  assert.ok(full > 100, `limits were met ${full} times on the way`);
});
