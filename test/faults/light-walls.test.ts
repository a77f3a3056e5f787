/** A short soak of attacks on the light walls; `node scripts/light-wall-soak.ts` is the long one. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

test('attacks at random among innocents: no wrong answer, no limit missed, nothing left', async (t) => {
  const program = join(import.meta.dirname, '../../scripts/light-wall-soak.ts');
  const argv = [program, '--minutes', '0.35', '--json'];
  const run = promisify(execFile)(process.execPath, argv, { maxBuffer: 2 ** 26 });
  const { stdout, stderr } = await run.catch((error: { stdout: string; stderr: string }) => error);
  assert.match(stdout, /^\{/, stderr);
  const { wrong, isClean, counts, seed } = JSON.parse(stdout);
  t.diagnostic(`seed ${seed}: ${JSON.stringify(counts)}`);
  assert.deepEqual(wrong, [], `seed ${seed}`);
  assert.ok(isClean);
  const done = Object.entries(counts as Record<string, number>);
  const sum = (prefix: string) =>
    done.reduce((all, [name, count]) => all + (name.startsWith(prefix) ? count : 0), 0);
  assert.ok(sum('innocent') >= 10, 'innocents were answered');
  for (const kind of ['made up', 'javascript', 'wasm']) assert.ok(sum(kind) >= 1, kind);
});
