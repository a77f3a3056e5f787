/**
 * The list of bad input, through the whole of it: each is a typed error with code and hint, nothing is run, nothing is
 * left. What each layer alone makes of it stands in test/policy and test/launcher.
 *
 * Over 300 lines: one walk over one list.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Caisson, isCaissonError, type PolicyDocument, type RunOptions } from '../../src/index.ts';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { encodeExec, encodeJob } from '../../src/launcher/protocol/encode-job.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { FieldWriter } from '../../src/launcher/protocol/fields.ts';
import {
  encodeHello,
  FRAME_HEADER,
  FrameReader,
  finishFrame,
  frameType,
  rawFrame,
} from '../../src/launcher/protocol/frame.ts';
import { makePlace } from '../cli/caisson.ts';
import { Wall } from '../escape/harness.ts';
import { NothingLeft } from '../nothing-left.ts';

const launcher = locateLauncher().path;
const writes: PolicyDocument = {
  version: 1,
  level: 'strict',
  filesystem: { read: ['.'], write: ['.'] },
};

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly details?: { readonly problems?: readonly { readonly line?: number }[] };
}

/** `caisson run` with that policy file; the guest would leave a file. */
function refusedPolicy(text: string | Buffer, ...more: string[]): Refusal {
  using place = makePlace();
  mkdirSync(join(place.work, 'files'));
  symlinkSync('/etc', join(place.work, 'link'));
  writeFileSync(join(place.work, 'p.yaml'), text);
  const before = readdirSync(place.work);
  const args = ['run', '--json', '--policy', 'p.yaml', '--write', 'files', ...more];
  const run = place.caisson([...args, '--', 'sh', '-c', `touch ${place.work}/files/ran`]);
  const { error } = JSON.parse(run.stdout) as { error?: Refusal };
  assert.ok(error, run.stdout);
  assert.ok(run.status !== 0 && run.status !== null);
  assert.deepEqual(readdirSync(join(place.work, 'files')), [], 'nothing was run');
  assert.deepEqual(readdirSync(place.work), before, 'nothing is left');
  return error;
}

const document = (rest: string) => `version: 1\nlevel: strict\n${rest}\n`;

const bombs = (() => {
  let text = 'a: &a [x,x,x,x,x,x,x,x,x]\n';
  for (let i = 1; i < 12; i++) {
    const [name, earlier] = [i, i - 1].map((each) => String.fromCharCode(97 + each));
    text += `${name}: &${name} [${Array(9).fill(`*${earlier}`).join(',')}]\n`;
  }
  return text;
})();

const policies: readonly (readonly [
  name: string,
  text: string | Buffer,
  code: string,
  says: RegExp,
  hint: RegExp,
  line?: number,
])[] = [
  [
    'an unknown key',
    document('limits:\n  memroy: 1GiB'),
    'POLICY_INVALID',
    /unknown key/,
    /did you mean memory/,
    4,
  ],
  [
    'a path that leaves its directory',
    document('filesystem:\n  read:\n    - ../outside'),
    'POLICY_INVALID',
    /leaves its directory/,
    /without \.\./,
    5,
  ],
  [
    'a path of the workspace behind a link',
    document('filesystem: {read: [link/passwd]}'),
    'PATH_ESCAPES',
    // Where it leads is not for whoever put the link there.
    /^(?!.*passwd.*passwd).*is a link, or lies behind one$/,
    /name the place itself/,
  ],
  [
    'a path that is not there',
    document('filesystem: {read: [/no/such/path]}'),
    'PATH_MISSING',
    /not there/,
    /make it|take it out/,
  ],
  [
    'an input that is an output, hermetic',
    document('hermetic: true\nfilesystem: {read: [files], write: [files]}'),
    'POLICY_INVALID',
    /files/,
    /./,
  ],
  [
    'a limit of zero',
    document('limits:\n  memory: 0'),
    'POLICY_INVALID',
    /not more than zero/,
    /positive/,
    4,
  ],
  [
    'a limit of 2^64',
    document('limits:\n  memory: 18446744073709551616'),
    'POLICY_INVALID',
    /too large/,
    /largest value/,
    4,
  ],
  [
    'a duration of 2^64',
    document('limits:\n  timeout: 18446744073709551616s'),
    'POLICY_INVALID',
    /too large/,
    /largest value/,
    4,
  ],
  ['a bomb of aliases', bombs, 'POLICY_INVALID', /./, /./, 1],
  [
    'a NUL byte in a path',
    document('filesystem:\n  read: ["a\\0b"]'),
    'POLICY_INVALID',
    /NUL/,
    /./,
    4,
  ],
  ['a NUL byte in the file', Buffer.from(document('name: "a\0b"')), 'POLICY_INVALID', /./, /./],
  ['no YAML', '{]', 'POLICY_INVALID', /./, /./, 1],
];

for (const [name, text, code, says, hint, line] of policies) {
  test(`policy: ${name}`, () => {
    const error = refusedPolicy(text);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, says);
    assert.match(error.hint ?? '', hint, `its hint: ${JSON.stringify(error)}`);
    if (line !== undefined) assert.equal(error.details?.problems?.[0]?.line, line);
  });
}

test('policy: 100 MB of YAML, refused in less time than reading it once', () => {
  const line = '    - /srv/a/path/that/is/long/enough\n';
  const text = Buffer.alloc(100 << 20, line);
  const lines = Buffer.from(document('filesystem:\n  read:'));
  const small = performance.now();
  refusedPolicy(document('limits: {memroy: 1}'));
  const began = performance.now();
  const error = refusedPolicy(Buffer.concat([lines, text]));
  const took = performance.now() - began;
  assert.equal(error.code, 'POLICY_TOO_LARGE');
  assert.match(error.hint ?? '', /split it/);
  assert.ok(took < 10 * (began - small) + 2000, `${took} ms against ${began - small} ms`);
});

const requests: readonly (readonly [
  name: string,
  argv: readonly string[],
  options: RunOptions,
  code: string,
])[] = [
  ['no command', [], {}, 'REQUEST_INVALID'],
  ['an empty command', [''], {}, 'REQUEST_INVALID'],
  ['a NUL byte in an argument', ['touch', 'ran\0'], {}, 'REQUEST_INVALID'],
  ['a NUL byte in a variable', ['touch', 'ran'], { env: { A: 'x\0' } }, 'REQUEST_INVALID'],
  ['a NUL byte in a name', ['touch', 'ran'], { env: { 'A\0': 'x' } }, 'REQUEST_INVALID'],
  ['= in a name', ['touch', 'ran'], { env: { 'A=B': 'x' } }, 'REQUEST_INVALID'],
  ['a NUL byte in the directory', ['touch', 'ran'], { cwd: 'a\0b' }, 'REQUEST_INVALID'],
  ['a NUL byte in the workspace', ['touch', 'ran'], { workspace: '/tmp\0' }, 'PATH_MISSING'],
  ['a workspace that is not there', ['touch', 'ran'], { workspace: '/no/such' }, 'PATH_MISSING'],
  [
    'a NUL byte in a policy',
    ['touch', 'ran'],
    { policy: { ...writes, filesystem: { write: ['a\0'] } } },
    'POLICY_INVALID',
  ],
  ['an argument of 10 MB', ['touch', 'ran', 'x'.repeat(10 << 20)], {}, 'REQUEST_INVALID'],
  [
    'an argv of 10 MB',
    ['touch', 'ran', ...Array(100).fill('y'.repeat(104_858))],
    {},
    'REQUEST_INVALID',
  ],
  ['a hundred thousand arguments', ['touch', ...Array(100_000).fill('ran')], {}, 'REQUEST_INVALID'],
  ['a time limit of zero', ['touch', 'ran'], { timeoutMs: 0 }, 'REQUEST_INVALID'],
  ['a time limit of 2^64', ['touch', 'ran'], { timeoutMs: 2 ** 64 }, 'REQUEST_INVALID'],
];

test('requests: each a typed error with a hint, and the same Caisson goes on', async () => {
  const left = new NothingLeft();
  const workspace = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-bad-')));
  try {
    await using caisson = await Caisson.open();
    for (const [name, argv, options, code] of requests) {
      await assert.rejects(
        caisson.run(argv, { policy: writes, workspace, ...options }),
        (error) => {
          assert.ok(isCaissonError(error), `${name}: ${error}`);
          assert.equal(error.code, code, `${name}: ${error.message}`);
          assert.ok((error.hint ?? '') !== '', `${name}: no hint`);
          return true;
        },
      );
      assert.deepEqual(readdirSync(workspace), [], `${name}: nothing was run`);
    }
    const script = 'echo $#; touch ran';
    const many = Array.from({ length: 10_000 }, (_, i) => `argument ${i}`);
    const argv = ['sh', '-c', script, 'sh', ...many];
    const ran = await caisson.run(argv, { policy: writes, workspace });
    assert.equal(ran.stdout.text, '10000\n', 'ten thousand arguments run');
    assert.ok(existsSync(join(workspace, 'ran')));
    left.note();
  } finally {
    rmSync(workspace, { recursive: true });
  }
  assert.ok((await left.check()) > 0);
});

/** The same damage for the same number (Park and Miller). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 0x7fff_ffff;
    return state % below;
  };
}

function flipped(bytes: Buffer, random: (below: number) => number): Buffer {
  const out = Buffer.from(bytes);
  for (let i = random(4); i >= 0; i--) {
    const at = random(out.length);
    out[at] = (out[at] as number) ^ (1 << random(8));
  }
  return out;
}

const mark = `${40_000 + process.pid}`;
const isRunning = () => spawnSync('pgrep', ['-f', `^sleep ${mark}$`]).status === 0;

/** A real plan and a job for it. */
async function whole() {
  await using wall = await Wall.open();
  return wall.prepare({ argv: ['sleep', mark] });
}

test('plans of another version, truncated, bit-flipped: `caisson-launcher run` refuses or runs, and ends', async () => {
  const { kind, job } = await whole();
  const { cgroup: _, ...plain } = kind;
  const inherited = { stdin: 'inherit', stdout: 'inherit', stderr: 'inherit' } as const;
  const plan = encodePlan(plain, encodeJob({ ...job, argv: [], ...inherited }));
  const directory = mkdtempSync(join(tmpdir(), 'caisson-plan-'));
  const path = join(directory, 'p.plan');
  const run = (bytes: Buffer) => {
    writeFileSync(path, bytes);
    const result = spawnSync(launcher, ['run', path, '--', 'sh', '-c', 'echo ran'], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    assert.equal(result.signal, null, 'it does not crash or hang');
    return result;
  };
  try {
    assert.equal(run(Buffer.from(plan)).stdout, 'ran\n');
    const other = Buffer.from(plan);
    other.writeUInt32LE(other.readUInt32LE(8) + 1, 8);
    const refused = run(other);
    assert.deepEqual([refused.stdout, refused.status !== 0], ['', true]);
    assert.match(refused.stderr, /version|not supported/i);
    const random = randomFrom(1);
    for (let i = 0; i < 25; i++) {
      const short = run(Buffer.from(plan).subarray(0, random(plan.length)));
      assert.deepEqual([short.stdout, short.status !== 0], ['', true], 'a part of a plan is none');
      assert.match(short.stderr, /^caisson-launcher: /);
    }
    for (let i = 0; i < 40; i++) run(flipped(Buffer.from(plan), random));
  } finally {
    rmSync(directory, { recursive: true });
  }
});

function planFrame(id: number, plan: Uint8Array): Buffer {
  const writer = new FieldWriter(FRAME_HEADER, 'PLAN_INVALID', plan.byteLength + 64);
  writer.bytes(1, plan);
  return finishFrame(writer, frameType.PLAN, id);
}

/** Writes those bytes to a launcher and goes; the launcher must end by itself, with everything. */
async function feed(
  bytes: Buffer,
  left: NothingLeft,
  until?: number,
): Promise<{ types: number[]; code: number }> {
  const child = spawn(launcher, ['serve'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    env: {},
  });
  const socket = child.stdio[3] as Socket;
  const types: number[] = [];
  const reader = new FrameReader((type) => types.push(type));
  socket.on('data', (chunk: Buffer) => reader.push(chunk));
  socket.on('error', () => {});
  const ended = once(child, 'exit');
  await once(child, 'spawn');
  left.note();
  socket.write(bytes);
  // Until it has said `until`, or nothing more for a while: a wrong length makes it wait for the rest, which is right.
  const began = performance.now();
  for (let seen = -1; child.exitCode === null; ) {
    const waited = performance.now() - began;
    const enough = until === undefined ? types.length > 0 || waited > 200 : types.includes(until);
    if (waited > 10_000 || (enough && seen === types.length)) break;
    seen = types.length;
    await sleep(25);
  }
  socket.destroy();
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
  const [code, signal] = (await ended) as [number, NodeJS.Signals | null];
  clearTimeout(late);
  assert.equal(signal, null, 'it neither crashes nor hangs');
  return { types, code };
}

test('frames, truncated and bit-flipped: the launcher answers or ends, and takes everything down', async () => {
  const { kind, job } = await whole();
  const plan = encodePlan(kind);
  const golden = new URL('../../protocol/golden/', import.meta.url);
  const others = readdirSync(golden)
    .filter((name) => /^frame-.*\.hex$/.test(name) && !/hello/.test(name))
    .map((name) => readFileSync(new URL(name, golden), 'latin1').replace(/\s/g, ''))
    .map((hex) => Buffer.from(hex, 'hex'));
  const hello = encodeHello();
  const begin = Buffer.concat([hello, planFrame(1, plan), encodeExec(7, { plan: 1 }, job)]);

  const left = new NothingLeft();
  const good = await feed(begin, left, frameType.READY);
  assert.ok(good.types.includes(frameType.READY), `it understands them whole: ${good.types}`);
  assert.ok(!good.types.includes(frameType.ERROR), `${good.types}`);
  const random = randomFrom(2);
  const answers: number[] = [];
  for (let i = 0; i < 40; i++) answers.push(...(await feed(flipped(begin, random), left)).types);
  for (let i = 0; i < 15; i++) await feed(begin.subarray(0, random(begin.length)), left);
  for (const frame of others) {
    const bytes = Buffer.concat([begin, flipped(frame, random), rawFrame(frameType.PROBE, 9)]);
    answers.push(...(await feed(bytes, left)).types);
  }
  assert.ok(answers.includes(frameType.ERROR), 'it says what is wrong');
  assert.ok((await left.check()) > 50);
  assert.equal(isRunning(), false, 'no guest is left');
});
