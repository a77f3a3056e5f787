/** A short soak of a service that is killed under load; `node scripts/service-kill-soak.ts` is the long one. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const skip = process.geteuid?.() === 0 ? false : 'needs root';

test('the service is killed at random under load: the next start knows all that was told, and nothing is left', {
  skip,
}, async (t) => {
  const program = join(import.meta.dirname, '../../scripts/service-kill-soak.ts');
  const argv = [program, '--minutes', '0.2', '--clients', '8', '--seed', '7', '--json'];
  const run = promisify(execFile)(process.execPath, argv, { maxBuffer: 2 ** 26 });
  const { stdout } = await run.catch((error: { stdout: string; stderr: string }) => error);
  const { counts, wrong, ...report } = JSON.parse(stdout);
  t.diagnostic(JSON.stringify(report));
  assert.deepEqual(wrong, []);
  assert.ok(report.starts >= 5 && report.requests > 60, JSON.stringify(report));
  assert.ok(counts['audit: ended looked for'] > 0);
  assert.ok(counts['a command with a key was run 1 times'] > 0);
});
