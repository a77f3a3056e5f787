import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { isCaissonError } from '../../src/core/error.ts';
import { LauncherClient } from '../../src/launcher/client.ts';
import type { Dial } from '../../src/launcher/dials.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import type { Job } from '../../src/plan/plan.ts';
import { smallPlan } from './small-plan.ts';

const fake = fileURLToPath(new URL('fake-launcher.ts', import.meta.url));
const start = (mode = 'serve') => new LauncherClient(process.execPath, [fake, mode]);
const job = (argv: string[], more: Partial<Job> = {}): Job => ({
  argv,
  env: [],
  cwd: '/',
  mounts: [],
  landlock: [],
  stdin: 'null',
  stdout: 'capture',
  stderr: 'capture',
  ...more,
});
const code = (expected: string) => (error: unknown) => {
  assert.ok(isCaissonError(error), String(error));
  assert.equal(error.code, expected);
  return true;
};

test('a run answers with the output; many at once, each with its own', async () => {
  await using client = start();
  const plan = client.preparePlan(encodePlan(smallPlan));
  const results = await Promise.all(
    Array.from({ length: 200 }, (_, i) =>
      client.run(plan, job(['echo', `${i}`, ''], { env: [['A', 'é']], input: Buffer.from('in') })),
    ),
  );
  for (const [i, result] of results.entries()) {
    assert.equal(result.stdout.bytes.toString(), `${i}|in`);
    assert.equal(result.stderr.bytes.toString(), 'A=é');
  }
  assert.equal(client.build, 'fake');
});

test('a frame that arrives byte by byte is put together', async () => {
  await using client = start();
  const plan = client.preparePlan(encodePlan(smallPlan));
  const result = await client.run(plan, job(['split', 'slowly']));
  assert.equal(result.stdout.bytes.toString(), 'slowly');
});

test('what the launcher refuses is a typed error', async () => {
  await using client = start();
  const plan = client.preparePlan(encodePlan(smallPlan));
  await assert.rejects(client.run(plan, job(['missing'])), code('COMMAND_NOT_FOUND'));
  await assert.rejects(client.preparePlan(Buffer.from('nonsense')).ready, code('PLAN_INVALID'));
});

test('when the launcher dies, every pending request fails, and later ones too', async () => {
  await using client = start();
  const plan = client.preparePlan(encodePlan(smallPlan));
  const slow = [client.run(plan, job(['slow'])), client.run(plan, job(['slow']))];
  const dies = client.run(plan, job(['die']));
  for (const each of [...slow, dies]) await assert.rejects(each, code('LAUNCHER_GONE'));
  await assert.rejects(client.run(plan, job(['echo'])), code('LAUNCHER_GONE'));
  await assert.rejects(client.probe(), code('LAUNCHER_GONE'));
});

test('a launcher of another version, and one that is not there', async () => {
  await using other = start('wrong-version');
  await assert.rejects(other.probe(), code('PROTOCOL_ERROR'));
  await using absent = new LauncherClient('/nonexistent/launcher');
  await assert.rejects(absent.probe(), code('LAUNCHER_GONE'));
});

test('an aborted run is killed, then rejects', async () => {
  await using client = start();
  const plan = client.preparePlan(encodePlan(smallPlan));
  const controller = new AbortController();
  const run = client.run(plan, job(['slow']), { signal: controller.signal });
  controller.abort();
  await assert.rejects(run, code('ABORTED'));
  await assert.rejects(
    client.run(plan, job(['echo']), { signal: controller.signal }),
    code('ABORTED'),
  );
});

test('streamed output honours the reader: the launcher never runs further ahead than the window', async () => {
  await using client = start();
  const plan = client.preparePlan(encodePlan(smallPlan));
  const execution = client.spawn(plan, job(['stream', '5000000'], { stdout: 'stream' }));
  assert.equal(await execution.started, 77);
  await new Promise((resolve) => setTimeout(resolve, 50));
  let total = 0;
  for await (const chunk of execution.stdout) total += (chunk as Buffer).length;
  assert.equal(total, 5_000_000);
  const result = await execution.result;
  assert.ok(result.memoryPeakBytes <= 256 * 1024, `${result.memoryPeakBytes} ahead`);
});

test('a reader that gives up does not hold the run up', async () => {
  await using client = start();
  const plan = client.preparePlan(encodePlan(smallPlan));
  const execution = client.spawn(plan, job(['stream', '5000000'], { stdout: 'stream' }));
  for await (const _ of execution.stdout) break;
  assert.equal((await execution.result).cause, 0);
});

test('input flows through the window and ends', async () => {
  await using client = start();
  const plan = client.preparePlan(encodePlan(smallPlan));
  const execution = client.spawn(plan, job(['cat'], { stdin: 'stream', stdout: 'stream' }));
  execution.stdin.end(Buffer.alloc(3_000_000, 'y'));
  let total = 0;
  for await (const chunk of execution.stdout) total += (chunk as Buffer).length;
  assert.equal(total, 3_000_000);
  await execution.result;
});

test('an open sandbox runs, answers file requests, tells usage, closes', async () => {
  await using client = start();
  const plan = client.preparePlan(encodePlan(smallPlan));
  const sandbox = client.openSandbox(plan, job([]));
  assert.equal(await sandbox.opened, 4242);
  assert.equal((await sandbox.run(job(['echo', 'x']))).stdout.bytes.toString(), 'x');
  assert.equal((await sandbox.files({ op: 'stat', path: '/x' })).errno, 2);
  assert.equal((await sandbox.usage()).memoryPeakBytes, 12345);
  await sandbox.close();
  await sandbox.close();
  assert.equal((await sandbox.closed).cpuUserUs, 5);
  assert.throws(() => sandbox.spawn(job(['echo'])), code('SANDBOX_CLOSED'));
});

test('requests under one number are answered each with its own answer', {
  timeout: 30_000,
}, async () => {
  await using client = start();
  const bytes = encodePlan(smallPlan);
  const plan = client.preparePlan(bytes);
  client.resizePlan(plan, bytes, 3);
  client.resizePlan(plan, Buffer.from('nonsense'), 3);
  client.resizePlan(plan, bytes, 2);
  await Promise.all([plan.ready, client.forgetPlan(plan)]);
  const refused = client.preparePlan(Buffer.from('nonsense'));
  client.resizePlan(refused, bytes, 3);
  await assert.rejects(refused.ready, code('PLAN_INVALID'));
});

test('what is asked once the launcher is gone fails at once, and leaves nothing with who asked', {
  timeout: 30_000,
}, async () => {
  await using client = start();
  const plan = client.preparePlan(encodePlan(smallPlan));
  const { promise: dial, resolve: onDial } = Promise.withResolvers<Dial>();
  const sandbox = client.openSandbox(plan, job([]), { onDial });
  await sandbox.opened;
  await assert.rejects(client.run(plan, job(['die'])), code('LAUNCHER_GONE'));
  await assert.rejects((await dial)(80), code('LAUNCHER_GONE'));
  const { signal } = new AbortController();
  const ties = { signal, denied: signal };
  await assert.rejects(client.run(plan, job(['echo']), ties), code('LAUNCHER_GONE'));
  assert.throws(() => client.spawn(plan, job(['echo']), ties), code('LAUNCHER_GONE'));
  assert.throws(() => client.openSandbox(plan, job([]), ties), code('LAUNCHER_GONE'));
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('what cannot be frozen is told to whoever asked for that, and to nobody else', async () => {
  await using client = start('slow-files');
  const sandbox = client.openSandbox(client.preparePlan(encodePlan(smallPlan)), job([]));
  await sandbox.opened;
  const asked = sandbox.files({ op: 'stat', path: '/x' });
  await assert.rejects(sandbox.freeze(true), code('LAUNCHER_FAILED'));
  assert.equal((await asked).errno, 2);
  assert.equal((await sandbox.usage()).memoryPeakBytes, 12345);
  await sandbox.close();
});

test('an answer that nobody can read is told to who waits for it', {
  timeout: 30_000,
}, async () => {
  await using client = start('nonsense');
  await assert.rejects(client.probe(), code('PROTOCOL_ERROR'));
  await assert.rejects(client.usageOf('nobody'), code('SANDBOX_CLOSED'));
  const opening = client.openSandbox(client.preparePlan(encodePlan(smallPlan)), job([]));
  await assert.rejects(opening.opened, code('PROTOCOL_ERROR'));
});

test('an idle client lets Node end, a pending run does not', async () => {
  const script = `
    import { LauncherClient } from ${JSON.stringify(new URL('../../src/launcher/client.ts', import.meta.url).href)};
    const client = new LauncherClient(process.execPath, [${JSON.stringify(fake)}, 'serve']);
    const facts = await client.probe();
    console.log(facts.kernel, facts.landlockAbi);
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', script],
    { timeout: 60_000 },
  );
  assert.equal(stdout, '6.18.0 7\n');
});
