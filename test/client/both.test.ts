/** What a sandbox does, as one program, here and of a service. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { processTree } from '../../bench/process-tree.ts';
import type { SharedSandbox } from '../../src/client/index.ts';
import { isCaissonError } from '../../src/index.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';
import { until } from '../until.ts';
import { type Opened, whereabouts } from './whereabouts.ts';

const python = spawnSync('python3', ['-V']).status === 0;
const OVERLAY = { level: 'moderate', filesystem: { workspace: 'overlay' } } as const;

for (const { name: where, open } of whereabouts) {
  describe(where, () => {
    let opened: Opened;
    const scratch = mkdtempSync(join(tmpdir(), 'caisson-both-'));
    before(async () => {
      opened = await open();
    });
    after(async () => {
      await opened[Symbol.asyncDispose]();
      rmSync(scratch, { recursive: true, force: true });
    });
    const make = (more: object = {}): Promise<SharedSandbox> =>
      opened.caisson.create({ policy: 'strict', ...more });
    const sh = async (sandbox: SharedSandbox, script: string): Promise<string> => {
      const { stdout, stderr, code } = await sandbox.exec(['sh', '-c', script]);
      assert.equal(code, 0, stderr.text);
      return stdout.text;
    };

    test('started is a process of the host, and the command runs below it', async () => {
      await using sandbox = await make();
      const argv = ['sleep', '300.25'];
      for (const guest of [
        sandbox.spawn(argv),
        await opened.caisson.spawn(argv, { policy: 'strict' } as never),
      ]) {
        const pid = await guest.started;
        const command = `${argv.join('\0')}\0`;
        const isBelow = () => processTree(pid).some((each) => commandOf(each) === command);
        await until(`it is below ${pid}`, isBelow);
        guest.kill();
        await guest.outcome;
      }
    });

    test('files are read, written, listed, moved, linked', async () => {
      await using sandbox = await make();
      const { files } = sandbox;
      await files.mkdir('a/b', { recursive: true });
      await files.write('a/b/text', 'über\n', { mode: 0o600 });
      assert.equal(await files.readText('a/b/text'), 'über\n');
      assert.equal(await sh(sandbox, 'cat a/b/text; stat -c %a a/b/text'), 'über\n600\n');
      await files.write('a/b/text', 'more\n', { append: true });
      assert.equal(await files.readText('a/b/text'), 'über\nmore\n');
      assert.deepEqual((await files.readPart('a/b/text', 6, 4)).toString(), 'more');
      assert.equal((await files.readPart('a/b/text', 900, 4)).length, 0);
      const parts = await Array.fromAsync(files.readStream('a/b/text', { offset: 6 }));
      assert.equal(Buffer.concat(parts).toString(), 'more\n');
      const { type, mode, size, modifiedMs } = await files.stat('a/b/text');
      assert.deepEqual([type, mode, size], ['file', 0o600, 11]);
      assert.ok(Math.abs(modifiedMs - Date.now()) < 60_000);
      await files.makeLink('a/link', 'b/text');
      assert.equal(await files.readLink('a/link'), 'b/text');
      assert.equal((await files.read('a/link', { follow: true })).length, 11);
      assert.equal((await files.stat('a/link')).type, 'link');
      assert.equal((await files.stat('a/link', { follow: true })).type, 'file');
      await files.chmod('a/b/text', 0o644);
      await files.move('a/b/text', 'a/c');
      assert.deepEqual([await files.exists('a/b/text'), await files.exists('a/c')], [false, true]);
      assert.deepEqual(
        (await files.list('a')).map(({ name, type, mode }) => [name, type, mode]),
        [
          ['b', 'directory', 0o755],
          ['c', 'file', 0o644],
          ['link', 'link', 0o777],
        ],
      );
      assert.equal((await files.list('a', { most: 2 })).length, 2);
      assert.equal((await files.page('a', { limit: 3 })).entries.length, 3);
      await files.remove('a', { recursive: true });
      assert.equal(await files.exists('a'), false);
    });

    test('files of many pieces go through, and a stream that fails leaves nothing', async () => {
      await using sandbox = await make();
      const bytes = Buffer.alloc(3 * 2 ** 20 + 7, 'caisson');
      const pieces = async function* (fails = false) {
        for (let at = 0; at < bytes.length; at += 70_000) yield bytes.subarray(at, at + 70_000);
        if (fails) throw new RangeError('the source failed');
      };
      assert.equal(await sandbox.files.writeStream('big', pieces()), bytes.length);
      assert.ok((await sandbox.files.read('big')).equals(bytes));
      await sandbox.files.write('whole', bytes);
      assert.equal(await sh(sandbox, 'cmp big whole && echo same'), 'same\n');
      await assert.rejects(sandbox.files.writeStream('bad', pieces(true)), RangeError);
      await sleep(200);
      await until('two are there', async () => (await sandbox.files.list()).length === 2);
      assert.deepEqual(
        (await sandbox.files.list()).map(({ name }) => name),
        ['big', 'whole'],
      );
      for await (const piece of sandbox.files.readStream('big')) {
        assert.ok(piece.length > 0);
        break;
      }
      assert.equal(await sh(sandbox, 'echo still'), 'still\n');
    });

    test('trees go in and out', async () => {
      await using sandbox = await make();
      const from = join(scratch, `from-${where.length}`);
      mkdirSync(join(from, 'sub/deep'), { recursive: true });
      writeFileSync(join(from, 'sub/run'), '#!/bin/sh\necho ran\n', { mode: 0o755 });
      writeFileSync(join(from, 'large'), Buffer.alloc(1_500_000, 7));
      symlinkSync('sub/run', join(from, 'link'));
      symlinkSync('/etc/passwd', join(from, 'away'));
      chmodSync(join(from, 'sub/deep'), 0o555);
      await sandbox.files.upload(from, 'in');
      assert.equal(
        await sh(sandbox, 'in/link; stat -c %a in/sub/deep in/sub/run'),
        'ran\n555\n755\n',
      );
      await sandbox.files.upload(join(from, 'large'), 'alone');
      assert.equal((await sandbox.files.stat('alone')).size, 1_500_000);
      const to = join(scratch, `to-${where.length}`);
      await sandbox.files.download('in', to);
      assert.deepEqual(readdirSync(to).sort(), ['away', 'large', 'link', 'sub']);
      assert.equal(readlinkSync(join(to, 'away')), '/etc/passwd');
      assert.ok(readFileSync(join(to, 'large')).equals(readFileSync(join(from, 'large'))));
      assert.equal(lstatSync(join(to, 'sub/deep')).mode & 0o777, 0o555);
      assert.equal(lstatSync(join(to, 'sub/run')).mode & 0o777, 0o755);
      await sandbox.files.download('in/link', `${to}-link`);
      assert.equal(readlinkSync(`${to}-link`), 'sub/run');
      await sandbox.files.download('alone', `${to}-file`);
      assert.equal(lstatSync(`${to}-file`).size, 1_500_000);
      chmodSync(join(from, 'sub/deep'), 0o755);
    });

    test('what changes is seen, until the signal ends it', async () => {
      await using sandbox = await make();
      await sandbox.files.mkdir('watched');
      const controller = new AbortController();
      const seen: string[] = [];
      const options = { intervalMs: 50, signal: controller.signal };
      const watching = (async () => {
        for await (const { kind, path } of sandbox.files.watch('watched', options)) {
          seen.push(`${kind} ${path}`);
          controller.abort();
        }
      })();
      for (let i = 0; seen.length === 0 && i < 200; i++) {
        await sandbox.files.write(`watched/${i}`, 'x');
        await sleep(50);
      }
      await watching;
      assert.match(seen[0] ?? '', /^(?:added|modified) watched\/\d+$/);
    });

    test('a shell keeps directory and variables; its commands come one after the other', async () => {
      await using sandbox = await make();
      await using shell = sandbox.shell({ outputBytes: 1000 });
      const first = await shell.run('mkdir d && cd d; x=7; echo err >&2; false');
      assert.deepEqual([first.kind, first.code, first.stderr.text], ['exited', 1, 'err\n']);
      const [second, third] = await Promise.all([
        shell.run('sleep 0.2; echo $x; pwd'),
        shell.run('x=8; echo $x'),
      ]);
      assert.match(second.stdout.text, /^7\n.*\/d\n$/);
      assert.equal(second.cwd, third.cwd);
      assert.equal(third.stdout.text, '8\n');
      const much = await shell.run('yes | head -c 5000');
      assert.deepEqual([much.stdout.truncated, much.stdout.totalBytes], [true, 5000]);
      assert.equal((await shell.run('')).code, 0);
      assert.equal((await shell.run('sleep 30', { timeoutMs: 100 })).kind, 'timed-out');
      assert.equal((await shell.run('echo again')).stdout.text, 'again\n');
      await shell.close();
      await shell.close();
      await assert.rejects(shell.run('true'), { code: 'SANDBOX_CLOSED' });
    });

    test('it stands still and goes on; what it used is told', async () => {
      await using sandbox = await make();
      const guest = sandbox.spawn(['sh', '-c', 'while :; do echo x; sleep 0.02; done']);
      await once(guest.stdout, 'data');
      let later = 0;
      guest.stdout.on('data', () => {
        later += 1;
      });
      await sandbox.freeze();
      await sandbox.freeze();
      // What was written before may be on its way yet. One that went on would write 20 times in such a while.
      for (let i = 0, before = -1; before !== later; i++) {
        assert.ok(i < 20, 'it goes on');
        before = later;
        await sleep(500);
      }
      await sandbox.thaw();
      await sandbox.thaw();
      await once(guest.stdout, 'data');
      guest.kill();
      assert.equal((await guest.outcome).kind, 'killed');
      const { wallMs, memoryPeakSource } = await sandbox.usage();
      assert.ok(wallMs > 500 && memoryPeakSource !== undefined);
    });

    test('processes take input, signals and a terminal', async () => {
      await using sandbox = await make();
      const cat = sandbox.spawn(['cat']);
      const bytes = Buffer.alloc(5_000_000, 'ab\n');
      cat.stdin.end(bytes);
      const got = await Array.fromAsync(cat.stdout as AsyncIterable<Buffer>);
      assert.ok(Buffer.concat(got).equals(bytes));
      assert.equal((await cat.outcome).code, 0);
      const trap = sandbox.spawn([
        'sh',
        '-c',
        'trap "echo got; exit 5" TERM; echo ready; while :; do sleep 0.05; done',
      ]);
      await once(trap.stdout, 'data');
      trap.signal('SIGTERM');
      assert.equal((await trap.outcome).code, 5);
      assert.throws(() => trap.signal('SIGNOPE' as never), { code: 'REQUEST_INVALID' });
      const tty = sandbox.spawn(['sh', '-c', 'tty >/dev/null && stty size'], {
        pty: { rows: 12, columns: 34 },
      });
      const shown = Buffer.concat(await Array.fromAsync(tty.stdout as AsyncIterable<Buffer>));
      assert.match(shown.toString(), /12 34/);
      const early = sandbox.spawn(['sleep', '60']);
      early.kill();
      assert.equal((await early.outcome).kind, 'killed');
      const unheard = sandbox.spawn(['sh', '-c', 'yes | head -c 3000000; exit 3']);
      unheard.stdout.destroy();
      assert.notEqual((await unheard.outcome).kind, 'timed-out');
    });

    test('changes are looked at, compared, applied; forks and snapshots have copies of them', async () => {
      const { caisson, project } = opened;
      const sandbox = await caisson.create({ policy: OVERLAY, workspace: project });
      await sh(sandbox, 'echo after > README; echo new > more');
      const changes = await sandbox.changes();
      assert.deepEqual(
        changes.entries.map(({ path, kind, type }) => [path, kind, type]),
        [
          ['README', 'modified', 'file'],
          ['more', 'added', 'file'],
        ],
      );
      assert.match(await changes.diff(), /-before\n\+after/);
      assert.match(await changes.diff({ most: 1 }), /… and 1 other change/);
      const snapshot = await sandbox.snapshot();
      const fork = await sandbox.fork();
      await sh(sandbox, 'rm more');
      assert.equal(await fork.files.readText('more'), 'new\n');
      await fork.close();
      const again = await snapshot.open();
      assert.equal(await again.files.readText('more'), 'new\n');
      await again.close();
      await snapshot.discard();
      const { applied } = await sandbox.apply({ only: ['README'] });
      assert.deepEqual(
        applied.map(({ path }) => path),
        ['README'],
      );
      assert.deepEqual((await (await sandbox.changes()).apply()).skipped, []);
      await sandbox.close();
      const { stdout } = await caisson.run(['cat', 'README'], {
        policy: OVERLAY,
        workspace: project,
      });
      assert.equal(stdout.text, 'after\n');
    });

    const listening = {
      level: 'strict',
      network: { mode: 'filtered', allow: ['one.example:443'], listen: [8080] },
    } as const;
    const skip = python ? false : 'python3 is not installed';

    test('ports are published and connected to', { skip }, async () => {
      await using sandbox = await opened.caisson.create({ policy: listening });
      const echo = `import socket, sys
server = socket.create_server(('127.0.0.1', 8080))
print('ready', flush=True)
while True:
    peer = server.accept()[0]
    while part := peer.recv(65536): peer.sendall(part)
    peer.sendall(b'END'); peer.close()`;
      const guest = sandbox.spawn(['python3', '-c', echo]);
      await once(guest.stdout, 'data');
      const bytes = Buffer.alloc(2_000_000, 'port');
      const inside = await sandbox.connect(8080);
      inside.end(bytes);
      const got = Buffer.concat(await Array.fromAsync(inside as AsyncIterable<Buffer>));
      assert.ok(got.equals(Buffer.concat([bytes, Buffer.from('END')])));
      const published = await sandbox.publish(8080);
      assert.deepEqual([published.guestPort, published.host], [8080, '127.0.0.1']);
      for (let i = 0; i < 2; i++) {
        const socket = connect({ port: published.port, host: '127.0.0.1', allowHalfOpen: true });
        socket.end('hello');
        const answer = Buffer.concat(await Array.fromAsync(socket as AsyncIterable<Buffer>));
        assert.equal(answer.toString(), 'helloEND');
      }
      await assert.rejects(sandbox.publish(8080, { port: published.port }), {
        code: 'REQUEST_INVALID',
      });
      guest.kill();
      await guest.outcome;
      const refused = connect({ port: published.port, host: '127.0.0.1' });
      refused.on('error', () => {});
      const isFault = await new Promise((resolve) => refused.once('close', resolve));
      assert.equal(isFault, true);
      await published.close();
      const gone = connect({ port: published.port, host: '127.0.0.1' });
      await assert.rejects(once(gone, 'connect'), { code: 'ECONNREFUSED' });
    });

    test('what it may reach is told and changed', async () => {
      await using sandbox = await opened.caisson.create({ policy: listening });
      assert.equal(sandbox.network?.allow.length, 1);
      const { network } = policyFromDocument({
        version: 1,
        level: 'strict',
        network: { ...listening.network, allow: ['two.example:443', 'three.example:443'] },
      } as never);
      await sandbox.updateNetwork(network);
      assert.deepEqual(sandbox.network, network);
      await using bare = await make();
      assert.equal(bare.network, undefined);
    });

    test('a policy is told as it was normalised, and explained', async () => {
      const { caisson } = opened;
      const { policy, digest } = await caisson.policy(listening);
      assert.deepEqual(policy.network.listen, [8080]);
      assert.equal((await caisson.policy(policy)).digest, digest);
      await assert.rejects(
        caisson.policy({ level: 'strict', limits: { memory: 'much' } } as never),
        {
          code: 'POLICY_INVALID',
        },
      );
      const explanation = await caisson.explain('moderate');
      assert.ok(JSON.stringify(explanation).includes('seccomp'));
    });

    test('create takes a policy alone, and says why not', async () => {
      const { caisson } = opened;
      await using sandbox = await caisson.create('strict');
      assert.equal(await sh(sandbox, 'echo there'), 'there\n');
      const refused = await caisson.safeCreate('no-such-level' as never);
      assert.ok(!refused.ok && isCaissonError(refused.error));
    });

    test('an outcome keeps its bytes; a run is aborted', async () => {
      const { caisson } = opened;
      const { stdout } = await caisson.run(['sh', '-c', 'cat; printf "\\377"'], {
        input: Buffer.of(0, 200, 10),
      });
      assert.deepEqual([...stdout.bytes], [0, 200, 10, 255]);
      const signal = AbortSignal.timeout(300);
      await assert.rejects(caisson.run(['sleep', '60'], { signal }), { code: 'ABORTED' });
      assert.equal(existsSync(join(scratch, 'nothing')), false);
    });
  });
}

/** Nothing of one that has ended meanwhile. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}
