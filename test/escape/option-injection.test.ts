/**
 * Option injection: arguments, variables, names and paths that look like options, shell syntax or fields of our own format.
 * Ablated: the array of arguments joined to one line for a shell.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Caisson, isCaissonError } from '../../src/index.ts';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { encodeExec, encodeJob } from '../../src/launcher/protocol/encode-job.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { frameType } from '../../src/launcher/protocol/frame.ts';
import { needs, prepare, Range, Wall, writePlan } from './harness.ts';

const echo = `
int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) fwrite(argv[i], 1, strlen(argv[i]) + 1, stdout);
  return 0;
}`;

test('an argument stays one argument, whatever it says', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const program = range.program('echo', echo);
  const loot = join(range.path, 'loot');
  const hostile = [
    `; touch ${loot} #`,
    `$(touch ${loot})`,
    `\`touch ${loot}\``,
    `\ntouch ${loot}\n`,
    `' && touch ${loot} && '`,
    '--',
    '--help',
    '-c',
    '',
    '\u0001\u0000\u0000'.replaceAll('\0', '\u0002'),
    'CAISPLAN',
  ];

  // Ablated: what an engine does that builds a line for a shell.
  spawnSync('sh', ['-c', `${program} ${hostile.join(' ')}`]);
  assert.ok(existsSync(loot), 'a shell would have run it');
  execFileSync('rm', [loot]);

  const policy = { filesystem: { read: [range.path], write: [range.path] } };
  const { stdout } = await wall.run(wall.prepare({ policy, argv: [program, ...hostile] }));
  assert.deepEqual(stdout.split('\0').slice(0, -1), hostile);
  assert.equal(existsSync(loot), false);

  // The same through `run PLAN -- argv`, which parses a command line of its own.
  const setup = { policy, argv: [program], facts: wall.facts };
  const plan = writePlan(join(range.path, 'plan'), prepare(setup));
  const words = ['--', 'serve', 'layer', '/', '--version', ...hostile];
  const one = spawnSync(locateLauncher().path, ['run', plan, '--', program, ...words]);
  assert.equal(one.stderr.toString(), '');
  assert.deepEqual(one.stdout.toString().split('\0').slice(0, -1), words);
  assert.equal(existsSync(loot), false);
});

test('an option in the place of a plan, a command or a layer is none', { skip: needs.root }, () => {
  const launcher = locateLauncher().path;
  for (const argv of [
    ['run', '--', 'true'],
    ['run', '--help', '--', 'true'],
    ['run', '/dev/null', 'true'],
    ['layer', '--help'],
    ['serve', '--help'],
    ['--serve'],
  ]) {
    const { status, stdout } = spawnSync(launcher, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    assert.ok(status !== 0, argv.join(' '));
    assert.equal(stdout.length, 0, argv.join(' '));
  }
});

test('a field that nobody knows, a second one and a cut one are refused, and nothing has run', {
  skip: needs.root,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const policy = { filesystem: { read: [range.path], write: [range.path] } };
  const loot = join(range.path, 'loot');
  const prepared = wall.prepare({ policy, argv: ['touch', loot] });
  const plan = wall.client.preparePlan(encodePlan(prepared.kind));
  await plan.ready;
  await wall.client.run(plan, prepared.job);
  assert.ok(existsSync(loot), 'the job itself works');
  execFileSync('rm', [loot]);

  const field = (tag: number, body: Buffer, reserved = 0): Buffer => {
    const head = Buffer.alloc(8);
    head.writeUInt16LE(tag, 0);
    head.writeUInt16LE(reserved, 2);
    head.writeUInt32LE(body.length, 4);
    return Buffer.concat([head, body]);
  };
  const job = encodeJob(prepared.job);
  const u32 = Buffer.from([1, 0, 0, 0]);
  const smuggled: Readonly<Record<string, Buffer>> = {
    'unknown tag': Buffer.concat([job, field(31, u32)]),
    'tag far away': Buffer.concat([job, field(4096, u32)]),
    'second directory': Buffer.concat([
      job,
      field(3, Buffer.from('/\0')),
      field(3, Buffer.from('/\0')),
    ]),
    'reserved bits': Buffer.concat([job, field(9, u32, 1)]),
    'NUL inside an argument': Buffer.concat([job, field(1, Buffer.from('a\0b\0'))]),
    'argument without NUL': Buffer.concat([job, field(1, Buffer.from('a'))]),
    'longer than it is': Buffer.concat([job, field(1, Buffer.from('a\0')).subarray(0, 9)]),
    'relative directory': Buffer.concat([
      encodeJob({ ...prepared.job, cwd: '/' }),
      field(3, Buffer.from('..\0')),
    ]),
  };
  const { connection } = wall.client;
  for (const [name, body] of Object.entries(smuggled)) {
    const id = connection.nextId();
    const planField = Buffer.alloc(4);
    planField.writeUInt32LE(plan.id);
    const inner = Buffer.concat([field(1, planField), field(3, body)]);
    const head = Buffer.alloc(12);
    head.writeUInt32LE(inner.length + 8, 0);
    head.writeUInt16LE(frameType.EXEC, 4);
    head.writeUInt32LE(id, 8);
    const answer = await new Promise<number>((resolve, reject) => {
      connection.attach(id, { frame: (type) => resolve(type), gone: reject });
      connection.hold();
      connection.send(Buffer.concat([head, inner]));
    });
    connection.release();
    connection.detach(id);
    assert.equal(answer, frameType.ERROR, name);
    assert.equal(existsSync(loot), false, name);
  }
  // The launcher goes on, and the frame is what the encoder makes but for the smuggled field.
  assert.ok(encodeExec(7, { plan: plan.id }, prepared.job).includes(job));
  await wall.client.run(plan, prepared.job);
  assert.ok(existsSync(loot));
});

test('names and values that would be something else are refused before anything runs', {
  skip: needs.root,
}, async () => {
  await using caisson = await Caisson.open();
  const refused = async (run: Promise<unknown>): Promise<void> => {
    await assert.rejects(run, (error) => isCaissonError(error) && error.code === 'REQUEST_INVALID');
  };
  await refused(caisson.run(['echo', 'a\0--privileged']));
  await refused(caisson.run(['env'], { env: { 'A\0B': 'x' } }));
  await refused(caisson.run(['env'], { env: { 'LD_PRELOAD=/x\nA': 'x' } }));
  await refused(caisson.run(['env'], { env: { '': 'x' } }));
  const { stdout } = await caisson.run(['env', '-0'], { env: { A: 'x\nLD_PRELOAD=/evil.so' } });
  assert.equal(
    stdout.text.split('\0').find((line) => line.startsWith('LD_PRELOAD')),
    undefined,
  );
});

test('a workspace and a state directory named like options are directories', {
  skip: needs.root,
}, async () => {
  using range = new Range();
  const workspace = range.directory('-rf --help');
  const state = range.directory('--state\n-x', 0o700);
  writeFileSync(join(workspace, '--checkpoint-action=exec=sh'), 'kept');
  await using caisson = await Caisson.open({ stateDirectory: state });
  const policy = {
    version: 1,
    level: 'strict',
    filesystem: { read: ['.'], write: ['.'], workspace: 'overlay', apply: 'manual' },
  } as const;
  const outcome = await caisson.run(['sh', '-c', 'echo new > ./-n; echo x > "$(printf "a\\nb")"'], {
    policy,
    workspace,
  });
  assert.equal(outcome.stderr.text, '');
  await using sandbox = await caisson.create({ policy, workspace });
  await sandbox.exec(['sh', '-c', 'echo more > ./--']);
  await using fork = await sandbox.fork();
  assert.equal(await fork.files.readText('--'), 'more\n');
  const changes = await caisson.changes(outcome.changes?.pending ?? '');
  assert.deepEqual(changes.entries.map(({ path }) => path).sort(), ['-n', 'a\nb']);
  await changes.apply();
  assert.equal(readFileSync(join(workspace, '-n'), 'utf8'), 'new\n');
  assert.deepEqual(readdirSync(workspace).sort(), ['--checkpoint-action=exec=sh', '-n', 'a\nb']);
  await changes.discard();
});
