/**
 * Whoever reads the memory of our processes: values are in none of it, before, while and after they were used, but in the
 * memory of the holder, which nobody reads. What is a string is found: a header of the guest's in the same request, and the
 * value itself where the caller hands it over as one.
 */
import assert from 'node:assert/strict';
import { fork, type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { WorldClient, type WorldRun } from '../e2e/network/world-client.ts';
import { running } from '../processes.ts';
import { findInMemory, isReadable, regionsOf } from './process-memory.ts';

const skip = process.geteuid?.() === 0 ? false : 'needs root';
const VALUE = 'tk-9f3/aZ+really=secret-0123456789abcdef';
const secrets = { API_TOKEN: VALUE };
const policy = {
  version: 1 as const,
  network: {
    mode: 'filtered' as const,
    allow: ['one.test'],
    intercept: true,
    secrets: { API_TOKEN: { hosts: ['one.test'] } },
  },
};
const curl = 'curl -sS --max-time 8 -o /dev/null';
const bearer = '-H "Authorization: Bearer $API_TOKEN"';
/** As text of each kind, and what of its Base64 it alone decides. */
const forms = [
  Buffer.from(VALUE),
  Buffer.from(VALUE, 'utf16le'),
  ...['', 'x', 'x:'].map((user) =>
    Buffer.from(Buffer.from(`${user}${VALUE}`).toString('base64').slice(4, -4)),
  ),
];

function assertNowhere(pid: number): void {
  assert.deepEqual(findInMemory(pid, ...forms), []);
}

/** Until something is so; the test's own time limit bounds it. */
async function until<T>(ask: () => T | undefined): Promise<T> {
  for (;;) {
    const found = ask();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('memory of the processes that have a secret', { skip, timeout: 120_000 }, () => {
  let world: WorldClient;
  const proxy = () => until(() => world.processes('proxy-process')[0]);
  const holder = () => until(() => world.processes('vault\0secret')[0]);
  const run = (script: string): Promise<WorldRun> =>
    world.run(['sh', '-c', script], policy, secrets);
  before(async () => {
    world = await WorldClient.start();
  });
  after(async () => {
    await world.stop();
  });

  test('a proxy that has just used it, and its holder', async () => {
    const canary = 'a header that is a string';
    const marker = 'the last request of this guest';
    const end = `${60 + process.pid / 1e6}`;
    const looked = run(
      `${curl} ${bearer} -H "X-Canary: ${canary}" https://one.test/
${curl} -u "x:$API_TOKEN" -d "a body" https://one.test/
${curl} --http2 ${bearer} https://one.test/
${curl} -H "X-Marker: ${marker}" https://one.test/
sleep ${end}`,
    );
    const [egress, vault] = await Promise.all([proxy(), holder()]);
    await until(() => findInMemory(egress, Buffer.from(marker))[0]);
    assert.notDeepEqual(findInMemory(egress, Buffer.from(canary)), [], 'a string is found');
    assertNowhere(egress);
    assertNowhere(vault);
    const held = regionsOf(vault).filter(({ name }) => name.includes('secretmem'));
    assert.ok(held.length >= 3, 'what came in by either side, and the value');
    for (const region of held) assert.ok(!isReadable(vault, region));
    for (const pid of running('sleep', end)) process.kill(pid, 'SIGTERM');
    const { seen, stderr } = await looked;
    assert.deepEqual(
      seen.requests.map(({ token }) => token),
      [
        `Bearer ${VALUE}`,
        `Basic ${Buffer.from(`x:${VALUE}`).toString('base64')}`,
        `Bearer ${VALUE}`,
        '',
      ],
      stderr,
    );
    assertNowhere(egress);
    assertNowhere(vault);
    const left = regionsOf(vault).filter(({ name }) => name.includes('secretmem'));
    assert.equal(left.length, held.length - 1, 'the value went with the sandbox');
  });

  test('a guest that looks for the holder, and kills all that it can', async () => {
    const vault = await holder();
    const { stdout, seen } = await run(
      `cat /proc/${vault}/cmdline /proc/${vault}/maps /proc/${vault}/mem 2>&1 | head -c 4096
cat /proc/[0-9]*/cmdline | tr '\\0' ' '
trap '' TERM
kill -9 ${vault} 2>&1; kill -TERM -1 2>&1
${curl} ${bearer} https://one.test/`,
    );
    assert.ok(!stdout.includes('vault'), stdout);
    assert.equal(await holder(), vault, 'it lives on');
    assert.equal(seen.requests.at(-1)?.token, `Bearer ${VALUE}`);
  });

  test('a holder that was killed: what needs a secret is refused, and nothing goes in its place', async () => {
    const pause = `0.4${process.pid}`;
    const served = run(
      `for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  curl -sS --max-time 8 ${bearer} -w '%{http_code}\\n' https://one.test/ | tail -n 1; sleep ${pause}
done
${curl} -w 'plain %{http_code}\\n' https://one.test/`,
    );
    const vault = await holder();
    await until(() =>
      regionsOf(vault).filter(({ name }) => name.includes('secretmem')).length > 2
        ? true
        : undefined,
    );
    await until(() => running('sleep', pause)[0]); // the first one was answered
    process.kill(vault, 'SIGKILL');
    const { stdout, seen, violations } = await served;
    const codes = stdout.trim().split('\n');
    assert.equal(codes[0], '200', stdout);
    assert.equal(codes.at(-2), '502', stdout);
    // One may have gone out whose answer nobody could look through any more.
    const passed = codes.filter((code) => code.endsWith('200')).length;
    assert.ok([passed, passed + 1].includes(seen.requests.length), stdout);
    for (const { token } of seen.requests) assert.ok([`Bearer ${VALUE}`, ''].includes(token));
    assert.match(
      violations.find(({ rule }) => rule === 'network.secrets')?.reason ?? '',
      /the value of API_TOKEN cannot be had/,
    );
    const { seen: next } = await run(`${curl} ${bearer} https://one.test/`);
    assert.equal(next.requests[0]?.token, `Bearer ${VALUE}`, 'another sandbox has another holder');
    assert.notEqual(await holder(), vault);
  });
});

test('processes of its own user may neither read nor trace it', { skip }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'caisson-holder-'));
  const program = join(directory, 'launcher');
  chmodSync(directory, 0o755);
  copyFileSync(locateLauncher().path, program);
  chmodSync(program, 0o755);
  const user = ['--reuid=65532', '--regid=65532', '--clear-groups'];
  const asUser = (stdio: StdioOptions, ...command: string[]) =>
    spawn('setpriv', [...user, ...command], { stdio });
  const holder = asUser(['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], program, 'vault', 'secret');
  const other = asUser(['ignore', 'pipe', 'ignore'], 'sh', '-c', 'echo; exec sleep 60');
  const read = (pid: number | undefined, file: string) =>
    spawnSync('setpriv', [...user, 'cat', `/proc/${pid}/${file}`], { encoding: 'utf8' });
  try {
    await Promise.all([once(other.stdout as Readable, 'data'), until(() => locked(holder.pid))]);
    assert.equal(read(other.pid, 'maps').status, 0, 'one that does not close itself off is read');
    assert.match(read(other.pid, 'mem').stderr, /Input\/output error/, 'opened, and read at zero');
    for (const file of ['maps', 'mem', 'environ', 'syscall', 'fd/3']) {
      const { stderr, stdout } = read(holder.pid, file);
      assert.match(stderr, /Permission denied|Operation not permitted/, file);
      assert.equal(stdout, '');
    }
  } finally {
    const ended = [once(holder, 'exit'), once(other, 'exit')];
    holder.kill('SIGKILL');
    other.kill('SIGKILL');
    await Promise.all(ended);
    rmSync(directory, { recursive: true });
  }
});

/** Whether the process has secret memory already. */
function locked(pid: number | undefined): true | undefined {
  return regionsOf(pid as number).some(({ name }) => name.includes('secretmem')) || undefined;
}

describe('memory of the caller', { skip, timeout: 60_000 }, () => {
  /** The caller's memory when its run is over, and what its guest saw. */
  async function searched(form: 'bytes' | 'string'): Promise<string[]> {
    const directory = mkdtempSync(join(tmpdir(), 'caisson-caller-'));
    const file = join(directory, 'value');
    writeFileSync(file, VALUE);
    const value = openSync(file, 'r');
    unlinkSync(file);
    const program = fileURLToPath(new URL('secret-library.ts', import.meta.url));
    const child = fork(program, [join(directory, 'state')], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', value],
    });
    closeSync(value);
    try {
      child.send({ form });
      const [{ stdout, kept }] = (await once(child, 'message')) as [
        { stdout: string; kept: boolean },
      ];
      assert.match(stdout, /^caisson-secret-[0-9a-f]{32}\n/);
      assert.equal(kept, form === 'string');
      return findInMemory(child.pid as number, ...forms);
    } finally {
      child.disconnect();
      await once(child, 'exit');
      rmSync(directory, { recursive: true });
    }
  }

  test('bytes that the caller overwrote are nowhere', async () => {
    assert.deepEqual(await searched('bytes'), []);
  });

  test('ablated: a string of the caller stays where it is', async () => {
    assert.notDeepEqual(await searched('string'), []);
  });

  test('a variable of the command line: where the process was started with it, and nowhere else', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'caisson-caller-'));
    const file = join(directory, 'policy.yaml');
    // What is compared with the output is there while output can come.
    writeFileSync(file, JSON.stringify({ ...policy, sideChannels: { redact: false } }));
    const cli = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
    const guest = ['sh', '-c', 'echo "$API_TOKEN"; exec sleep 60'];
    const child = spawn(process.execPath, [cli, 'run', '--policy', file, '--', ...guest], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, ...secrets },
    });
    try {
      const [seen] = (await once(child.stdout as Readable, 'data')) as [Buffer];
      assert.match(seen.toString(), /^caisson-secret-[0-9a-f]{32}\n/);
      const found = findInMemory(child.pid as number, ...forms);
      assert.match(found.join('\n'), /^\[stack\] at [0-9a-f]+$/);
    } finally {
      child.kill('SIGTERM');
      await once(child, 'exit');
      rmSync(directory, { recursive: true });
    }
  });
});
