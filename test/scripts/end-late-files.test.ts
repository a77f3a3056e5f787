/** A test file that takes too long is ended with what it started, also where it spins and handles SIGTERM; others go on. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { endLateFiles } from '../../scripts/end-late-files.ts';
import { NotedProcesses } from '../noted-processes.ts';
import { until } from '../until.ts';

const room = mkdtempSync(join(tmpdir(), 'caisson-late-'));
after(() => rmSync(room, { recursive: true }));

function start(name: string, text: string) {
  const path = join(room, name);
  writeFileSync(path, text);
  return spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'inherit'] });
}

test('a late file is ended from outside, and told of by its name', async () => {
  const told: string[] = [];
  using _ = endLateFiles(4000, (line) => told.push(line));
  const late = start(
    'late.test.ts',
    `import { spawn } from 'node:child_process';
    process.on('SIGTERM', () => {});
    const child = spawn('sleep', ['600'], { stdio: ['ignore', 'inherit', 'inherit'] });
    process.stdout.write(String(child.pid) + '\\n', () => { for (;;); });`,
  );
  const patient = start('patient.ts', "setTimeout(() => console.log('done'), 8000);");
  const child = new NotedProcesses([Number((await once(late.stdout, 'data'))[0])]);
  assert.equal(child.size, 1);
  // Its child holds the pipe: only with both gone it is closed.
  assert.deepEqual(await once(late, 'close'), [null, 'SIGKILL']);
  // Its files are closed before it is one that is init's to reap.
  await until('its child is ended', () => child.left().every((one) => one.endsWith(' Z')));
  assert.deepEqual(await once(patient, 'exit'), [0, null], 'what is no test file was ended');
  assert.deepEqual(told, [`late.test.ts was ended after 4 s: ${join(room, 'late.test.ts')}`]);
});
