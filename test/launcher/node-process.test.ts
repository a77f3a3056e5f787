/** The process that holds secrets leaves no core file, lets no debugger in by a signal, and has nothing of our variables. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startNodeProcess } from '../../src/launcher/node-process.ts';

const directory = mkdtempSync(join(tmpdir(), 'caisson-node-process-'));
after(() => rmSync(directory, { recursive: true }));
const program = join(directory, 'waits.mjs');
writeFileSync(
  program,
  `import inspector from 'node:inspector';
process.on('message', () => process.send({ url: inspector.url() ?? null }));
process.on('disconnect', () => process.exit(0));
process.send({ ready: process.argv.slice(2) });
`,
);

const coreLimit = (pid: number | undefined): string | undefined =>
  /^Max core file size +(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1];

test('no core file, no variable of ours', async () => {
  process.env.CAISSON_TEST_SECRET = 'kept at home';
  const child = startNodeProcess(program);
  try {
    assert.deepEqual((await once(child, 'message'))[0], { ready: [] });
    assert.equal(coreLimit(child.pid), '0');
    const environment = readFileSync(`/proc/${child.pid}/environ`, 'latin1');
    assert.ok(!environment.includes('kept at home'));
    const command = readFileSync(`/proc/${child.pid}/cmdline`, 'latin1').split('\0');
    assert.ok(command[0]?.endsWith('node') && command.includes(program), command.join(' '));
  } finally {
    child.disconnect();
    delete process.env.CAISSON_TEST_SECRET;
    await once(child, 'exit');
  }
});

test('SIGUSR1 opens no debugger', async () => {
  /** Whether a debugger listens after the signal; undefined where the signal ended the process. */
  const listens = async (
    child: ReturnType<typeof fork>,
    tries: number,
  ): Promise<boolean | undefined> => {
    await once(child, 'message');
    const ended = once(child, 'exit').then(() => undefined);
    child.kill('SIGUSR1');
    for (let i = 0; i < tries; i++) {
      if (child.exitCode !== null || child.signalCode !== null) return undefined;
      child.send('?', () => {});
      const answer = await Promise.race([once(child, 'message'), ended]);
      if (answer === undefined) return undefined;
      if (answer[0].url !== null) break;
      if (i === tries - 1) {
        child.disconnect();
        await ended;
        return false;
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    child.disconnect();
    await ended;
    return true;
  };
  const plain = fork(program, [], {
    execArgv: ['--inspect-port=0'],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  assert.equal(await listens(plain, 1000), true, 'ablated');
  assert.notEqual(await listens(startNodeProcess(program), 40), true);
});
