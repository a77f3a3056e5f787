/** The same mistake, here and of a service, is the same error. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { SharedCaisson, SharedSandbox } from '../../src/client/index.ts';
import { type Opened, whereabouts } from './whereabouts.ts';

const scratch = mkdtempSync(join(tmpdir(), 'caisson-mistakes-'));
writeFileSync(join(scratch, 'there'), '');
mkdirSync(join(scratch, 'full'));

const STRICT = 'strict';
const FILTERED = {
  level: 'strict',
  network: { mode: 'filtered', allow: ['one.example:443'], listen: [8080] },
} as const;

/** Each rejects, or throws. */
const ofCaisson: Record<string, (caisson: SharedCaisson) => Promise<unknown>> = {
  'a command that there is not': (caisson) => caisson.run(['no-such-command']),
  'a file that is no program': (caisson) => caisson.run(['/etc/passwd']),
  'no command': (caisson) => caisson.run([]),
  'a NUL in an argument': (caisson) => caisson.run(['echo', 'a\0b']),
  'a NUL in the environment': (caisson) => caisson.run(['true'], { env: { A: 'a\0b' } }),
  'a variable with an equals sign': (caisson) => caisson.run(['true'], { env: { 'A=B': 'c' } }),
  'a directory that there is not': (caisson) => caisson.run(['true'], { cwd: '/nowhere' }),
  'a time limit of nothing': (caisson) => caisson.run(['true'], { timeoutMs: 0 }),
  'a policy that there is not': (caisson) => caisson.run(['true'], { policy: 'nope' as never }),
  'a key that no policy has': (caisson) =>
    caisson.run(['true'], { policy: { level: 'strict', colour: 'red' } as never }),
  'a limit that is none': (caisson) =>
    caisson.run(['true'], { policy: { level: 'strict', limits: { memory: '-1' } } }),
  'a workspace that the policy speaks of': (caisson) =>
    caisson.run(['true'], { policy: 'moderate' }),
  'somebody who has given up already': (caisson) =>
    caisson.run(['true'], { signal: AbortSignal.abort() }),
  'somebody who gives up': (caisson) =>
    caisson.run(['sleep', '60'], { signal: AbortSignal.timeout(150) }),
  'a process that cannot start': async (caisson) =>
    await (await caisson.spawn(['no-such-command'])).outcome,
  'a process of somebody who has given up': async (caisson) =>
    await (await caisson.spawn(['sleep', '60'], { signal: AbortSignal.abort() })).outcome,
  'a process of somebody who gives up': async (caisson) =>
    await (await caisson.spawn(['sleep', '60'], { signal: AbortSignal.timeout(150) })).outcome,
  'a language that there is not': (caisson) => caisson.eval('cobol' as never, ''),
  'a value that cannot be sent': (caisson) =>
    caisson.evaluate('javascript', 'export default (a) => a', { args: [() => 1] }),
  'an evaluation with a workspace': (caisson) =>
    caisson.evaluate('javascript', 'export default () => 1', { workspace: 'project' }),
  'one of another workspace': (caisson) =>
    caisson.eval('javascript', 'export default () => 1', { workspace: 'project' }),
  'a function with what it captured': (caisson) => caisson.call(() => scratch as unknown),
  'a function that throws': (caisson) =>
    caisson.call(() => {
      throw new TypeError('mine');
    }),
  'a module that there is not': async (caisson) => {
    await using modules = await caisson.modules();
    await modules.execute('nothing@1.0.0');
  },
  'a module without a name': async (caisson) => {
    await using modules = await caisson.modules();
    await modules.register({ id: '', code: 'export default () => 1' } as never);
  },
  'a policy asked for that is none': (caisson) => caisson.policy({ level: 'odd' } as never),
  'an explanation of none': (caisson) => caisson.explain({ level: 'odd' } as never),
  'a sandbox of no policy': (caisson) => caisson.create('nope' as never),
  'a sandbox that was closed': async (caisson) => {
    const sandbox = await caisson.create(STRICT);
    await sandbox.close();
    await sandbox.exec(['true']);
  },
  'a process of one that was closed': async (caisson) => {
    const sandbox = await caisson.create(STRICT);
    await sandbox.close();
    await sandbox.spawn(['true']).outcome;
  },
  'files of one that was closed': async (caisson) => {
    const sandbox = await caisson.create(STRICT);
    await sandbox.close();
    await sandbox.files.read('x');
  },
  'usage of one that was closed': async (caisson) => {
    const sandbox = await caisson.create(STRICT);
    await sandbox.close();
    await sandbox.usage();
  },
  'a shell of one that was closed': async (caisson) => {
    const sandbox = await caisson.create(STRICT);
    const shell = sandbox.shell();
    await shell.run('true');
    await sandbox.close();
    await shell.run('true');
  },
  'one that closes under a command': async (caisson) => {
    const sandbox = await caisson.create(STRICT);
    const running = sandbox.exec(['sleep', '60']).then(({ kind }) => {
      throw Object.assign(new Error('ended'), { code: kind });
    });
    running.catch(() => {});
    await sandbox.exec(['true']);
    await sandbox.close();
    await running;
  },
};

const ofSandbox: Record<string, (sandbox: SharedSandbox) => Promise<unknown>> = {
  'a command that there is not': (sandbox) => sandbox.exec(['no-such-command']),
  'a spawned one': (sandbox) => sandbox.spawn(['no-such-command']).outcome,
  'a spawned one of nobody': (sandbox) =>
    sandbox.spawn(['sleep', '60'], { signal: AbortSignal.abort() }).outcome,
  'a spawned one of who gives up': (sandbox) =>
    sandbox.spawn(['sleep', '60'], { signal: AbortSignal.timeout(100) }).outcome,
  'a command of who gives up': (sandbox) =>
    sandbox.exec(['sleep', '60'], { signal: AbortSignal.timeout(100) }),
  'a terminal of no size': (sandbox) =>
    sandbox.spawn(['true'], { pty: { rows: 0, columns: 0 } }).outcome,
  'a file that there is not': ({ files }) => files.read('nothing'),
  'text of a file that there is not': ({ files }) => files.readText('nothing'),
  'a part of one': ({ files }) => files.readPart('nothing', 0, 10),
  'a stream of one': ({ files }) => Array.fromAsync(files.readStream('nothing')),
  'a directory that is read': ({ files }) => files.read('/'),
  'a link that is read': async ({ files }) => {
    await files.makeLink('to', '/etc/passwd');
    await files.read('to');
  },
  'a link that is written': async ({ files }) => {
    await files.makeLink('dangling', 'elsewhere');
    await files.write('dangling', 'x');
  },
  'a directory that is written': ({ files }) => files.write('/', 'x'),
  'a file below what there is not': ({ files }) => files.write('no/such/file', 'x'),
  'a file where none may be written': ({ files }) => files.write('/etc/passwd', 'x'),
  'an exclusive one that is there': async ({ files }) => {
    await files.write('taken', '');
    await files.writeStream('taken', source(), { exclusive: true });
  },
  'a stat of nothing': ({ files }) => files.stat('nothing'),
  'a list of nothing': ({ files }) => files.list('nothing'),
  'a list of a file': ({ files }) => files.list('/etc/passwd'),
  'a directory that is there': ({ files }) => files.mkdir('/etc'),
  'a removal of nothing': ({ files }) => files.remove('nothing'),
  'a removal of what is not empty': async ({ files }) => {
    await files.mkdir('full/of', { recursive: true });
    await files.remove('full');
  },
  'a move of nothing': ({ files }) => files.move('nothing', 'else'),
  'a mode of nothing': ({ files }) => files.chmod('nothing', 0o600),
  'a link that is none': ({ files }) => files.readLink('/etc/passwd'),
  'a link that is there': async ({ files }) => {
    await files.makeLink('twice', 'a');
    await files.makeLink('twice', 'b');
  },
  'a path with a NUL': ({ files }) => files.read('a\0b'),
  'an upload of nothing': ({ files }) => files.upload(join(scratch, 'nothing'), 'x'),
  'a download of nothing': ({ files }) => files.download('nothing', join(scratch, 'x')),
  'a download to what is there': async ({ files }) => {
    await files.write('file', '');
    await files.download('file', join(scratch, 'there'));
  },
  'a download to nowhere': async ({ files }) => {
    await files.write('file2', '');
    await files.download('file2', join(scratch, 'no/where'));
  },
  'a tree that is downloaded to what is there': async ({ files }) => {
    await files.mkdir('tree');
    await files.download('tree', join(scratch, 'full'));
  },
  'too many files to be watched': async ({ files }) => {
    for await (const _ of files.watch('/', { intervalMs: 50, most: 3 }));
  },
  'a shell command with a NUL': async (sandbox) => await sandbox.shell().run('a\0b'),
  'a shell command of nobody': async (sandbox) =>
    await sandbox.shell().run('true', { signal: AbortSignal.abort() }),
  'a shell command of who gives up': async (sandbox) =>
    await sandbox.shell().run('sleep 60', { signal: AbortSignal.timeout(100) }),
  'a shell that was closed': async (sandbox) => {
    const shell = sandbox.shell();
    await shell.run('true');
    await shell.close();
    await shell.run('true');
  },
  'changes without an overlay': (sandbox) => sandbox.changes(),
  'an apply without an overlay': (sandbox) => sandbox.apply(),
  'a snapshot without an overlay': (sandbox) => sandbox.snapshot(),
  'a fork without an overlay': (sandbox) => sandbox.fork(),
  'a port that the policy does not name': (sandbox) => sandbox.publish(22),
  'a port beyond loopback': (sandbox) => sandbox.publish(8080, { host: '0.0.0.0' }),
  'a connection to one that it does not name': (sandbox) => sandbox.connect(22),
  'a connection where nobody listens': (sandbox) => sandbox.connect(8080),
  'another mode of network': (sandbox) =>
    sandbox.updateNetwork({ mode: 'none', allow: [], deny: [], listen: [] }),
};

async function* source() {
  yield Buffer.from('x');
}

async function codeOf(doing: () => Promise<unknown>): Promise<unknown> {
  try {
    await doing();
  } catch (error) {
    const { code, details } = error as { code?: unknown; details?: { errno?: unknown } };
    return code === 'FILE_FAILED' ? `FILE_FAILED ${details?.errno}` : code;
  }
  return 'no error';
}

describe('the code of each mistake is the same here and of a service', () => {
  const opened: Opened[] = [];
  const sandboxes: SharedSandbox[] = [];
  const bare: SharedSandbox[] = [];
  before(async () => {
    for (const { open } of whereabouts) {
      const one = await open();
      opened.push(one);
      sandboxes.push(await one.caisson.create({ policy: FILTERED }));
      bare.push(await one.caisson.create({ policy: STRICT }));
    }
  });
  after(async () => {
    for (const each of opened) await each[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true, force: true });
  });

  const same = (codes: readonly unknown[]): void => {
    const [here, there] = codes;
    assert.notEqual(here, 'no error');
    assert.notEqual(here, undefined);
    assert.equal(there, here);
  };

  for (const [name, make] of Object.entries(ofCaisson)) {
    test(name, async () => {
      same(await Promise.all(opened.map(({ caisson }) => codeOf(() => make(caisson)))));
    });
  }
  for (const [name, make] of Object.entries(ofSandbox)) {
    test(`in a sandbox: ${name}`, async () => {
      // One after the other: downloads go to the same place.
      const codes: unknown[] = [];
      for (const sandbox of sandboxes) codes.push(await codeOf(async () => await make(sandbox)));
      same(codes);
    });
  }
  test('without a network of its own no port is published', async () => {
    same(await Promise.all(bare.map((each) => codeOf(() => each.publish(8080)))));
    same(await Promise.all(bare.map((each) => codeOf(() => each.connect(8080)))));
  });
});
