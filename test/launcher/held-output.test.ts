/** A guest whose output somebody else holds, and writes on to: its result tells of what it wrote, when it has ended. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { firstOutput, needs, Range, ranFrom, Wall, without } from '../escape/harness.ts';

const skip = needs.root;

/** Settles as it does, or rejects after fifteen seconds: before any holder lets go. */
function soon<T>(promise: Promise<T>): Promise<T> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error('its result is held')), 15_000).unref();
  });
  return Promise.race([promise, late]);
}

/** Takes a descriptor, and keeps it; what it says goes out at once. */
const takes = (then: string) => `import array,fcntl,os,signal,socket,time
s = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen(); os.write(1, b'up')
c, _ = s.accept(); _, a, _, _ = c.recvmsg(1, 64)
fd = array.array('i', a[0][2])[0]
os.write(1, b'has it')
${then}`;
const gives = (then: string) => `import array,os,socket,sys,time
s = socket.socket(socket.AF_UNIX); s.connect('s')
os.write(1, b'mine')
s.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [1]))])
${then}`;
const floods = `fcntl.fcntl(fd, 1031, 1 << 20)
for _ in range(3): os.fork()
b = bytes(1 << 20)
while True: os.write(fd, b)`;

async function two(taker: string, giver: string, stdout: 'capture' | 'stream', isKept: boolean) {
  const range = new Range();
  const wall = await Wall.open();
  const workspace = range.directory('workspace', 0o777);
  const policy = { filesystem: { workspace: 'direct', write: ['.'] } };
  const python = (text: string) =>
    without(wall.prepare({ argv: ['python3', '-uc', text], policy, workspace }), 'cgroup');
  const first = python(taker);
  const plan = wall.client.preparePlan(encodePlan(first.kind));
  const streams = { stdout: 'stream', stderr: 'stream' } as const;
  const box = isKept ? wall.client.openSandbox(plan, { ...first.job, argv: [] }) : undefined;
  await box?.opened;
  const spawn = (job: typeof first.job) =>
    box === undefined ? wall.client.spawn(plan, job) : box.spawn(job);
  const holder = spawn({ ...first.job, ...streams });
  assert.equal(String(await firstOutput(holder)), 'up');
  const run = spawn({ ...python(giver).job, stdout });
  run.stdout.resume();
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  return {
    run,
    another: async () => {
      const { job } = python('print("ran")');
      return ranFrom(await soon(wall.client.run(plan, job))).stdout;
    },
    [Symbol.asyncDispose]: async () => {
      holder.kill();
      await holder.result;
      await wall.client.close();
      range[Symbol.dispose]();
    },
  };
}

for (const [where, isKept] of [
  ['another sandbox', false],
  ['its own sandbox', true],
] as const) {
  for (const stdout of ['capture', 'stream'] as const) {
    test(`a command of ${where} holds it (${stdout})`, { skip, timeout: 60_000 }, async () => {
      const giver = gives('time.sleep(0.3); sys.exit(3)');
      await using own = await two(takes('time.sleep(30)'), giver, stdout, isKept);
      const { status, stdout: kept } = await soon(own.run.result);
      assert.equal(status >> 8, 3);
      assert.equal(kept.totalBytes, 4);
    });

    test(`a command of ${where} floods it (${stdout})`, { skip, timeout: 60_000 }, async () => {
      const giver = gives('time.sleep(1); sys.exit(3)');
      await using own = await two(takes(floods), giver, stdout, isKept);
      const { status } = await soon(own.run.result);
      assert.equal(status >> 8, 3);
      // The launcher is there for everybody else.
      assert.equal(await own.another(), 'ran\n');
    });
  }
}
