/** `caisson mcp` over stdin and stdout, spoken to by the SDK's own client. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makePlace, type Place } from '../cli/caisson.ts';
import { until } from '../until.ts';
import { type McpClient, startMcp, withoutPython } from './mcp-client.ts';

const ALWAYS = [
  'close_sandbox',
  'explain_policy',
  'list_files',
  'list_sandboxes',
  'open_sandbox',
  'read_file',
  'request_network',
  'run_code',
  'run_command',
  'run_wasm',
  'show_changes',
  'write_file',
];

describe('a server without a workspace', () => {
  let place: Place;
  let mcp: McpClient;
  before(async () => {
    place = makePlace();
    mcp = await startMcp({ cwd: place.work, environment: place.environment });
  });
  after(async () => {
    await mcp[Symbol.asyncDispose]();
    place[Symbol.dispose]();
  });

  test('lists its tools, with words for each field and what they do to the world', async () => {
    const { tools } = await mcp.client.listTools();
    assert.deepEqual(tools.map(({ name }) => name).sort(), ALWAYS);
    for (const { name, description, inputSchema, outputSchema, annotations } of tools) {
      assert.ok((description ?? '').length > 40, name);
      assert.equal(inputSchema.additionalProperties, false, name);
      assert.ok(outputSchema?.properties?.error !== undefined, name);
      assert.equal(typeof annotations?.readOnlyHint, 'boolean', name);
      for (const [field, schema] of Object.entries(inputSchema.properties ?? {})) {
        assert.ok('description' in schema, `${name}.${field}`);
      }
    }
    const writing = tools.filter(({ annotations }) => annotations?.destructiveHint === true);
    assert.deepEqual(
      writing.map(({ name }) => name),
      ['close_sandbox'],
    );
    assert.match(mcp.client.getInstructions() ?? '', /no workspace/);
    assert.equal(mcp.client.getServerVersion()?.name, 'caisson');
  });

  test('runs a command and tells its end, its output, and nothing else of this machine', async () => {
    const { structured, text, isError } = await mcp.call('run_command', {
      command: 'cat; echo err >&2; exit 3',
      stdin: 'from stdin\n',
    });
    assert.equal(isError, false);
    assert.equal(structured.outcome, 'exited');
    assert.equal(structured.exit_code, 3);
    assert.equal(structured.stdout.text, 'from stdin\n');
    assert.equal(structured.stderr.text, 'err\n');
    assert.match(text, /^Exited with code 3 after \d+ ms in a throw-away sandbox\.\n/);
    writeFileSync(join(place.work, 'secret'), 'of the host');
    const seen = await mcp.call('run_command', { argv: ['cat', join(place.work, 'secret')] });
    assert.notEqual(seen.structured.exit_code, 0);
    assert.ok(!seen.text.includes('of the host'));
  });

  test('runs code of four languages', { skip: withoutPython }, async () => {
    const sources = [
      ['python', 'print(6 * 7)', '42\n'],
      ['shell', 'echo $((6 * 7))', '42\n'],
      ['javascript', 'console.log(await Promise.resolve(6 * 7))', '42\n'],
      ['typescript', 'const n: number = 42;\nconsole.log(n)', '42\n'],
    ] as const;
    for (const [language, code, printed] of sources) {
      const { structured } = await mcp.call('run_code', { language, code });
      assert.equal(structured.exit_code, 0, JSON.stringify(structured));
      assert.equal(structured.stdout.text, printed, language);
    }
    const value = await mcp.call('run_code', {
      language: 'typescript',
      code: 'export default (): number[] => [1, 2]',
    });
    assert.equal(value.structured.value, '[1,2]');
    const thrown = await mcp.call('run_code', { language: 'javascript', code: 'nope()' });
    assert.match(thrown.structured.thrown, /ReferenceError: nope is not defined/);
  });

  test('a kept sandbox keeps files, and a throw-away one nothing', {
    skip: withoutPython,
  }, async () => {
    const sandbox = await mcp.open();
    const python = (code: string) => mcp.call('run_code', { language: 'python', code, sandbox });
    await python('open("/tmp/n", "w").write("41")');
    const next = await python('print(int(open("/tmp/n").read()) + 1)');
    assert.equal(next.structured.stdout.text, '42\n');
    assert.equal(next.structured.sandbox, sandbox);
    const away = await mcp.call('run_command', { argv: ['cat', '/tmp/n'] });
    assert.notEqual(away.structured.exit_code, 0);
    await mcp.call('close_sandbox', { sandbox });
    const gone = await python('print(1)');
    assert.ok(gone.isError);
    assert.equal(gone.structured.error.code, 'SANDBOX_CLOSED');
    assert.match(gone.structured.error.next[0], /open_sandbox/);
  });

  test('files: written, listed, read in parts, as bytes', async () => {
    const sandbox = await mcp.open();
    const write = await mcp.call('write_file', {
      sandbox,
      path: '/tmp/a/b/text',
      content: `${'ä'.repeat(40_000)}end`,
      make_directories: true,
    });
    assert.equal(write.structured.bytes, 80_003);
    let content = '';
    let offset: number | undefined = 0;
    let parts = 0;
    while (offset !== undefined) {
      const { structured } = await mcp.call('read_file', {
        sandbox,
        path: '/tmp/a/b/text',
        offset,
      });
      content += structured.content;
      offset = structured.next_offset;
      parts++;
    }
    assert.equal(content, `${'ä'.repeat(40_000)}end`);
    assert.equal(parts, 3);
    const bytes = Buffer.from([0, 1, 255, 254]).toString('base64');
    await mcp.call('write_file', {
      sandbox,
      path: '/tmp/a/raw',
      content: bytes,
      encoding: 'base64',
    });
    const shown = await mcp.call('read_file', { sandbox, path: '/tmp/a/raw' });
    assert.equal(shown.structured.binary, true);
    assert.match(shown.structured.content, /binary, 4 bytes; begins \\x00\\x01\\xff\\xfe/);
    const raw = await mcp.call('read_file', { sandbox, path: '/tmp/a/raw', encoding: 'base64' });
    assert.equal(raw.structured.content, bytes);
    const { structured } = await mcp.call('list_files', { sandbox, path: '/tmp/a' });
    assert.deepEqual(
      structured.entries.map(({ name, type }: { name: string; type: string }) => `${type} ${name}`),
      ['directory b', 'file raw'],
    );
    await mcp.call('close_sandbox', { sandbox });
  });

  test('what was refused comes with its reason and what to do instead', {
    skip: withoutPython,
  }, async () => {
    const missing = await mcp.call('run_command', { argv: ['no-such-program'] });
    assert.ok(missing.isError);
    assert.equal(missing.structured.error.code, 'COMMAND_NOT_FOUND');
    assert.match(missing.text, /^Refused or failed: COMMAND_NOT_FOUND[\s\S]*\nNext: run_command/);
    const slow = await mcp.call('run_command', { argv: ['sleep', '9'], timeout_ms: 200 });
    assert.equal(slow.structured.outcome, 'timed-out');
    assert.match(slow.text, /Next: It ran out of time: .*The policy allows 60000 ms/);
    const network = await mcp.call('run_code', {
      language: 'python',
      code: 'import urllib.request; urllib.request.urlopen("https://pypi.org")',
    });
    assert.match(network.text, /no network at all.*--net HOST, or with --ask/);
    const asked = await mcp.call('open_sandbox').then(({ structured }) =>
      mcp.call('request_network', {
        sandbox: structured.sandbox,
        host: 'pypi.org',
        reason: 'a package',
      }),
    );
    assert.equal(asked.structured.granted, false);
    assert.equal(asked.structured.decided_by, 'policy');
    assert.match(asked.text, /this server takes no requests/);
  });

  test('a model narrows, and never widens', { skip: withoutPython }, async () => {
    const narrow = await mcp.call('run_code', {
      language: 'python',
      code: 'x = "x" * (200 << 20)\nprint(len(x))',
      memory_mb: 64,
    });
    assert.notEqual(narrow.structured.exit_code, 0);
    const wide = await mcp.call('run_code', {
      language: 'python',
      code: 'x = "x" * (700 << 20)\nprint(len(x))',
      memory_mb: 8192,
    });
    assert.notEqual(wide.structured.exit_code, 0, 'the level strict allows 512 MiB');
    const { structured } = await mcp.call('explain_policy');
    assert.equal(structured.level, 'strict');
    assert.equal(structured.network.mode, 'none');
    assert.equal(structured.can_apply, false);
    assert.equal(structured.workspace, undefined);
    const over = await mcp.call('open_sandbox', { workspace: 'overlay' });
    assert.match(over.text, /there is no workspace[\s\S]*--workspace DIR/);
  });

  test('a cancelled call ends its guest, and its sandbox goes on', async () => {
    const sandbox = await mcp.open();
    const abort = new AbortController();
    const running = mcp.call(
      'run_command',
      { sandbox, command: 'while :; do echo x >>/tmp/beat; sleep 0.05; done' },
      { signal: abort.signal },
    );
    const beats = async (): Promise<number> => {
      const read = await mcp.call('run_command', {
        sandbox,
        command: 'wc -l </tmp/beat || echo 0',
      });
      return Number(read.structured.stdout.text.trim());
    };
    await until('three beats', async () => (await beats()) >= 3);
    abort.abort();
    await assert.rejects(running);
    let last = -1;
    for (let now = await beats(); now !== last; now = await beats()) {
      last = now;
      await sleep(300);
    }
    assert.ok(last >= 3);
    await mcp.call('close_sandbox', { sandbox });
  });

  test('a long call tells that it goes on', async () => {
    const told: number[] = [];
    await mcp.call(
      'run_command',
      { argv: ['sleep', '7'] },
      { onprogress: ({ progress }) => told.push(progress) },
    );
    assert.ok(told.length >= 2, JSON.stringify(told));
    assert.ok((told[1] ?? 0) > (told[0] ?? 0));
  });
});

describe('a server over a workspace', () => {
  test('changes are kept aside and shown; without leave there is no way to apply them', async () => {
    using place = makePlace();
    const work = join(place.work, 'project');
    mkdirSync(work);
    writeFileSync(join(work, 'list.txt'), 'one\n');
    const { environment } = place;
    await using mcp = await startMcp({ args: ['--workspace', work], cwd: place.work, environment });
    const sandbox = await mcp.open();
    await mcp.call('run_command', { sandbox, command: 'echo two >>list.txt; echo K=1 >.env' });
    const shown = await mcp.call('show_changes', { sandbox });
    assert.equal(shown.structured.total, 2);
    assert.match(shown.structured.diff, /^\+two$/m);
    assert.match(shown.text, /did not allow it \(--allow-apply\)/);
    await assert.rejects(mcp.call('apply_changes', { sandbox }), /there is no tool/);
    // Nor does a throw-away run, with a profile that applies by itself, leave anything.
    await mcp.call('run_command', { command: 'echo gone >>list.txt' });
    assert.equal(readFileSync(join(work, 'list.txt'), 'utf8'), 'one\n');
    const own = await mcp.call('run_command', { argv: ['ls', work], workspace: 'private' });
    assert.notEqual(own.structured.exit_code, 0);
  });

  test('with leave they are applied, but for what the policy protects', async () => {
    using place = makePlace();
    const { work, environment } = place;
    writeFileSync(join(work, 'list.txt'), 'one\n');
    const args = ['--workspace', '.', '--allow-apply'];
    await using mcp = await startMcp({ args, cwd: work, environment });
    const { tools } = await mcp.client.listTools();
    const [apply] = tools.filter(({ name }) => name === 'apply_changes');
    assert.equal(apply?.annotations?.destructiveHint, true);
    const sandbox = await mcp.open();
    await mcp.call('run_command', {
      sandbox,
      command: 'echo two >>list.txt; echo K=1 >.env; mkdir d; echo x >d/x; echo y >y',
    });
    const part = await mcp.call('apply_changes', { sandbox, only: ['./d'] });
    assert.deepEqual(part.structured.applied, ['d', 'd/x']);
    assert.equal(existsSync(join(work, 'y')), false);
    const all = await mcp.call('apply_changes', { sandbox });
    assert.deepEqual(all.structured.left_out, ['.env']);
    assert.equal(readFileSync(join(work, 'list.txt'), 'utf8'), 'one\ntwo\n');
    assert.equal(existsSync(join(work, '.env')), false);
    writeFileSync(join(work, 'list.txt'), 'changed by the person\n');
    await mcp.call('run_command', { sandbox, command: 'echo three >list.txt' });
    const conflict = await mcp.call('apply_changes', { sandbox });
    assert.equal(conflict.structured.error.code, 'CHANGES_CONFLICT');
    assert.match(conflict.text, /Next: show_changes/);
    assert.equal(readFileSync(join(work, 'list.txt'), 'utf8'), 'changed by the person\n');
  });
});
