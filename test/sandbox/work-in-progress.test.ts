/** What a process was at work on that is gone is removed; what lives, or is elsewhere, stays. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { inProgress } from '../../src/sandbox/in-progress.ts';
import { removeAbandoned } from '../../src/sandbox/work-in-progress.ts';

const home = mkdtempSync(join(tmpdir(), 'caisson-progress-'));
after(() => rmSync(home, { recursive: true }));

test('by boot, pid namespace, number and start', async () => {
  const program = `import { inProgress } from ${JSON.stringify(join(import.meta.dirname, '../../src/sandbox/in-progress.ts'))};
console.log(inProgress('theirs'));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
  let theirs = '';
  child.stdout.on('data', (chunk) => {
    theirs += chunk;
  });
  await once(child, 'close');
  const own = inProgress('own');
  const [, boot, namespace, pid, start] = own.split('.');
  const elsewhere = `.${boot}.${Number(namespace) + 1}.${pid}.${Number(start) + 1}.x`;
  const reused = `.${boot}.${namespace}.${pid}.${Number(start) + 1}.x`;
  const earlier = `.00000000-0000-0000-0000-000000000000.${namespace}.${pid}.${start}.x`;
  for (const name of [theirs.trim(), own, elsewhere, reused, earlier, 'kept', '.hidden'])
    mkdirSync(join(home, name));
  writeFileSync(join(home, reused, 'file'), '');
  const removed = await removeAbandoned(home);
  const gone = [theirs.trim(), reused, earlier].map((name) => join(home, name));
  assert.deepEqual([...removed].sort(), gone.sort());
  assert.deepEqual(readdirSync(home).sort(), [own, elsewhere, 'kept', '.hidden'].sort());
});
