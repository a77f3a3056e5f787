/** The same mistake, here and of a service, is the same error. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { SharedCaisson, SharedSandbox } from '../../src/client/index.ts';
import { isCaissonError } from '../../src/index.ts';
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

/** What TypeScript refuses, and JavaScript does not. */
// biome-ignore lint/suspicious/noExplicitAny: nothing of it has the right type.
const untyped: Record<string, (caisson: any) => unknown> = {
  'an option that nobody knows': (caisson) => caisson.run(['true'], { polcy: 'paranoid' }),
  'one of spawn': (caisson) => caisson.spawn(['true'], { acept: [] }),
  'one of create': (caisson) => caisson.create({ polcy: 'paranoid' }),
  'one of evaluate': (caisson) => caisson.evaluate('javascript', '1', { timout: 5 }),
  'one of eval': (caisson) => caisson.eval('javascript', '1', { memory: 5 }),
  'one of call': (caisson) => caisson.call(() => 1, [], { polcy: 'paranoid' }),
  'one of sandboxed': (caisson) => caisson.sandboxed(() => 1, { polcy: 'paranoid' }),
  'one of explain': (caisson) => caisson.explain('strict', { acept: [] }),
  'one of wasm': (caisson) => caisson.evaluate('wasm', '', { wasm: { feul: 5n } }),
  'one of claims': (caisson) => caisson.run(['true'], { claims: { signature: [] } }),
  'one of modules': async (caisson) => (await caisson.modules()).execute('a', { grnts: {} }),
  'one of a filter of modules': async (caisson) => (await caisson.modules()).list({ kin: 'js' }),
  'a command that is a text': (caisson) => caisson.run('ls -l'),
  'a process that is a text': (caisson) => caisson.spawn('ls -l'),
  'a word that is none': (caisson) => caisson.run(['echo', undefined]),
  'options that are null': (caisson) => caisson.run(['true'], null),
  'options that are a policy': (caisson) => caisson.run(['true'], 'strict'),
  'a callback': (caisson) => caisson.run(['true'], () => {}),
  'options that nobody awaited': (caisson) => caisson.run(['true'], Promise.resolve({})),
  'options that are inherited': (caisson) =>
    caisson.run(['true'], Object.create({ policy: 'paranoid' })),
  'a policy that is a number': (caisson) => caisson.run(['true'], { policy: 5 }),
  'a policy that is null': (caisson) => caisson.run(['true'], { policy: null }),
  'a policy that is a list': (caisson) => caisson.run(['true'], { policy: ['strict'] }),
  'a policy that nobody awaited': (caisson) =>
    caisson.run(['true'], { policy: caisson.policy('strict') }),
  'a policy asked for that is a number': (caisson) => caisson.policy(5),
  'an explanation of null': (caisson) => caisson.explain(null),
  'a sandbox of null': (caisson) => caisson.create(null),
  'a sandbox of a number': (caisson) => caisson.create(5),
  'a policy with a slip, alone': (caisson) => caisson.create({ levl: 'strict' }),
  'a workspace that is a number': (caisson) => caisson.run(['true'], { workspace: 5 }),
  'what is accepted as a text': (caisson) => caisson.run(['true'], { accept: 'all' }),
  'the controller of a signal': (caisson) =>
    caisson.run(['true'], { signal: new AbortController() }),
  'a variable that is a number': (caisson) => caisson.run(['true'], { env: { A: 5 } }),
  'an input that is an object': (caisson) => caisson.run(['cat'], { input: { a: 1 } }),
  'a secret that is a number': (caisson) => caisson.run(['true'], { secrets: { A: 5 } }),
  'a trace that is a text': (caisson) => caisson.run(['true'], { trace: '00-1-2-03' }),
  'a terminal that is true': (caisson) => caisson.spawn(['true'], { pty: true }),
  'no source': (caisson) => caisson.eval('javascript'),
  'a source that is a number': (caisson) => caisson.evaluate('javascript', 5),
  'a source without an entry': (caisson) => caisson.eval('javascript', { files: {} }),
  'a file of a source that is a number': (caisson) =>
    caisson.evaluate('javascript', { files: { 'a.js': 5 }, entry: 'a.js' }),
  'a source of python that is a number': (caisson) => caisson.eval('python', 5),
  'no language': (caisson) => caisson.eval(),
  'a language of no engine': (caisson) => caisson.evaluate('cobol', ''),
  'arguments that are no list': (caisson) => caisson.call((a: number) => a, 5),
  'a call of a text': (caisson) => caisson.call('1 + 1'),
  'a wrapper of a text': (caisson) => caisson.sandboxed('1 + 1'),
  'fuel that is a number': (caisson) => caisson.evaluate('wasm', '', { wasm: { fuel: 5 } }),
  'no registration': async (caisson) => (await caisson.modules()).register(),
  'a module that is a number': async (caisson) => (await caisson.modules()).inspect(5),
  'a removed module that is a number': async (caisson) => (await caisson.modules()).remove(5),
  ...Object.fromEntries(
    [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5s', 5n].flatMap((timeoutMs) => [
      [
        `a time limit of ${timeoutMs}`,
        // biome-ignore lint/suspicious/noExplicitAny: as above.
        (caisson: any) => caisson.run(['true'], { timeoutMs }),
      ],
      [
        `a time limit of ${timeoutMs} for a program`,
        // biome-ignore lint/suspicious/noExplicitAny: as above.
        (caisson: any) => caisson.evaluate('javascript', 'export default () => 1', { timeoutMs }),
      ],
    ]),
  ),
};

// biome-ignore lint/suspicious/noExplicitAny: nothing of it has the right type.
const untypedInside: Record<string, (sandbox: any) => unknown> = {
  'an option that nobody knows': (sandbox) => sandbox.exec(['true'], { timeout: 5 }),
  'one of a process': (sandbox) => sandbox.spawn(['true'], { timeout: 5 }),
  'one of a shell': (sandbox) => sandbox.shell({ shell: 'bash' }),
  'one of a shell command': (sandbox) => sandbox.shell().run('true', { timeout: 5 }),
  'one of a published port': (sandbox) => sandbox.publish(8080, { prt: 5 }),
  'one of an apply': (sandbox) => sandbox.apply({ onyl: ['a'] }),
  'one of a read': ({ files }) => files.read('/etc/hostname', { folow: true }),
  'one of a stream that is read': ({ files }) => files.readStream('x', { lenght: 5 }),
  'one of a write': ({ files }) => files.write('x', '', { apend: true }),
  'one of a stream that is written': ({ files }) =>
    files.writeStream('x', source(), { exclusiv: true }),
  'one of a stat': ({ files }) => files.stat('/', { folow: true }),
  'one of a list': ({ files }) => files.list('/', { limit: 1 }),
  'one of a page': ({ files }) => files.page('/', { most: 1 }),
  'one of a new directory': ({ files }) => files.mkdir('x', { recurse: true }),
  'one of a removal': ({ files }) => files.remove('x', { recurse: true }),
  'one of a watch': ({ files }) => files.watch('/', { interval: 5 }),
  'a command that is a text': (sandbox) => sandbox.exec('ls'),
  'a process that is a text': (sandbox) => sandbox.spawn('ls'),
  'a shell command that is a list': (sandbox) => sandbox.shell().run(['ls']),
  'no shell command': (sandbox) => sandbox.shell().run(),
  'a shell that there is not': (sandbox) => sandbox.shell({ program: 'zsh' }),
  'output of nothing': (sandbox) => sandbox.shell({ outputBytes: -1 }),
  ...Object.fromEntries(
    [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e12].map((timeoutMs) => [
      `a shell command for ${timeoutMs} ms`,
      // biome-ignore lint/suspicious/noExplicitAny: as above.
      (sandbox: any) => sandbox.shell().run('true', { timeoutMs }),
    ]),
  ),
  'a path that is a number': ({ files }) => files.read(5),
  'no path': ({ files }) => files.stat(),
  'a path that is a number, of a write': ({ files }) => files.write(5, 'x'),
  'a content that is a number': ({ files }) => files.write('x', 5),
  'no content': ({ files }) => files.write('x'),
  'a mode that is a text': ({ files }) => files.write('x', '', { mode: '644' }),
  'a mode that is not a number': ({ files }) => files.write('x', '', { mode: Number.NaN }),
  'a mode of nothing': ({ files }) => files.chmod('x'),
  'a mode below zero': ({ files }) => files.mkdir('x', { mode: -1 }),
  'a stream that is a text': ({ files }) => files.writeStream('x', 'text'),
  'a stream of texts': ({ files }) => files.writeStream('x', ['text']),
  'no stream': ({ files }) => files.writeStream('x'),
  'a part before the beginning': ({ files }) => files.readPart('/etc/hostname', -1, 5),
  'a part of no length': ({ files }) => files.readPart('/etc/hostname', 0),
  'a part from nowhere': ({ files }) => files.readPart('/etc/hostname', Number.NaN, 5),
  'a stream of half a byte': ({ files }) => files.readStream('/etc/hostname', { length: 0.5 }),
  'a list of less than nothing': ({ files }) => files.list('/', { most: -1 }),
  'a page of nothing': ({ files }) => files.page('/', { limit: 0 }),
  'a page before the beginning': ({ files }) => files.page('/', { after: -1 }),
  'a link to a number': ({ files }) => files.makeLink('x', 5),
  'a watch all the time': ({ files }) => files.watch('/', { intervalMs: 0 }),
  'a watch of no time': ({ files }) => files.watch('/', { intervalMs: Number.NaN }),
  'an upload of a number': ({ files }) => files.upload(5, 'x'),
  'an upload with a NUL': ({ files }) => files.upload('a\0b', 'x'),
  'a download to no place': ({ files }) => files.download('/etc/hostname'),
  'a download to a NUL': ({ files }) => files.download('/etc/hostname', 'a\0b'),
  'a port that is a text': (sandbox) => sandbox.connect('8080'),
  'no port': (sandbox) => sandbox.publish(),
  'a host port that is none': (sandbox) => sandbox.publish(8080, { port: Number.NaN }),
  'a network that is null': (sandbox) => sandbox.updateNetwork(null),
  'a network that is a text': (sandbox) => sandbox.updateNetwork('none'),
  'a network as a document has it': (sandbox) =>
    sandbox.updateNetwork({ mode: 'filtered', allow: ['one.example:443'] }),
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
  'an upload from below a file': ({ files }) => files.upload(join(scratch, 'there/x'), 'x'),
  'an upload of a device': ({ files }) => files.upload('/dev/null', 'x'),
  'an upload to nowhere': ({ files }) => files.upload(join(scratch, 'there'), 'no/such/x'),
  'a download below a file': async ({ files }) => {
    await files.write('file3', '');
    await files.download('file3', join(scratch, 'there/x'));
  },
  'a download under a name that is too long': async ({ files }) => {
    await files.write('file4', '');
    await files.download('file4', join(scratch, 'x'.repeat(300)));
  },
  'a download to where nothing can be made': async ({ files }) => {
    await files.write('file5', '');
    await files.download('file5', '/proc/caisson');
  },
  'a tree that is downloaded to where nothing can be made': async ({ files }) => {
    await files.mkdir('tree2');
    await files.download('tree2', '/proc/caisson');
  },
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

/** What one of them tells as a code. */
const OUTCOMES: ReadonlySet<unknown> = new Set(['killed', 'exited']);

async function* source() {
  yield Buffer.from('x');
}

async function codeOf(doing: () => Promise<unknown>): Promise<unknown> {
  try {
    await doing();
  } catch (error) {
    const { code, details } = error as { code?: unknown; details?: { errno?: unknown } };
    // Of a program that ended otherwise than it was to.
    if (!isCaissonError(error)) return OUTCOMES.has(code) ? code : `raw: ${error}`;
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
    assert.doesNotMatch(String(here), /^raw/);
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
  for (const [name, make] of Object.entries(untyped)) {
    test(`of JavaScript: ${name}`, async () => {
      same(await Promise.all(opened.map(({ caisson }) => codeOf(async () => make(caisson)))));
    });
  }
  for (const [name, make] of Object.entries(untypedInside)) {
    test(`of JavaScript, in a sandbox: ${name}`, async () => {
      same(await Promise.all(sandboxes.map((each) => codeOf(async () => make(each)))));
    });
  }
  test('without a network of its own no port is published', async () => {
    same(await Promise.all(bare.map((each) => codeOf(() => each.publish(8080)))));
    same(await Promise.all(bare.map((each) => codeOf(() => each.connect(8080)))));
  });
});
