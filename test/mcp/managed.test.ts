/** Sandboxes of a server are where a person looks for them: in `caisson ps`, and ended by `caisson kill`. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { entry, makePlace, type Place } from '../cli/caisson.ts';
import { typist } from '../cli/typist.ts';
import { until } from '../until.ts';
import { startMcp, withoutPython } from './mcp-client.ts';

interface Row {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly tenant: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly manager: { readonly pid?: number; readonly state: string };
}

function ps(place: Place): Row[] {
  return JSON.parse(place.caisson(['ps', '--json']).stdout).sandboxes;
}

/** Whether a process of this machine was started with that word. */
function runs(word: string, place: Place): boolean {
  const { sandboxes } = JSON.parse(place.caisson(['top', '--once', '--json']).stdout);
  return sandboxes.some(({ command }: { command: string[] }) => command.includes(word));
}

test('caisson ps shows what a model opened, and what runs for one call', async () => {
  using place = makePlace();
  {
    await using mcp = await startMcp({ cwd: place.work, environment: place.environment });
    assert.deepEqual(ps(place), []);
    assert.equal(await mcp.open(), 'sandbox-1');
    const [kept] = ps(place);
    assert.deepEqual(
      [kept?.kind, kept?.state, kept?.tenant, kept?.labels, kept?.manager.state],
      ['sandbox', 'Running', 'mcp/stdio/0', { mcp: 'sandbox-1' }, 'alive'],
    );
    const word = `31.${Date.now() % 100_000}`;
    const stop = new AbortController();
    const call = mcp.call('run_command', { argv: ['sleep', word] }, { signal: stop.signal });
    const ended = assert.rejects(call);
    await until('two of them', () => ps(place).length === 2);
    assert.deepEqual(ps(place)[1]?.labels, { mcp: 'call' });
    stop.abort();
    await ended;
    await until('the call is gone', () => ps(place).length === 1);
    await mcp.call('close_sandbox', { sandbox: 'sandbox-1' });
    assert.deepEqual(ps(place), []);
    await mcp.open();
  }
  await until('nothing is left of the server', () => ps(place).length === 0);
  assert.deepEqual(
    JSON.parse(place.caisson(['ps', '--all', '--json']).stdout).sandboxes,
    [],
    'it went with its manager, which was closed',
  );
});

test('caisson kill ends one, and the model is told', async () => {
  using place = makePlace();
  await using mcp = await startMcp({ cwd: place.work, environment: place.environment });
  const [first, second] = [await mcp.open(), await mcp.open()];
  const word = `32.${Date.now() % 100_000}`;
  const running = mcp.call('run_command', { sandbox: first, argv: ['sleep', word] });
  await until('it runs', () => runs(word, place));

  const row = ps(place).find(({ labels }) => labels.mcp === first);
  const killed = place.caisson(['kill', row?.id ?? '']);
  assert.deepEqual([killed.status, killed.stdout], [0, `${row?.id}\n`], killed.stderr);
  assert.equal(runs(word, place), false, 'nothing of it runs on the host');
  const answer = await running;
  assert.notEqual(answer.structured?.outcome, 'exited');

  const gone = await mcp.call('run_command', { sandbox: first, argv: ['true'] });
  assert.equal(gone.isError, true);
  assert.match(gone.text, /closed/);
  const other = await mcp.call('run_command', { sandbox: second, argv: ['true'] });
  assert.equal(other.structured.exit_code, 0, 'the other one is as it was');

  const again = place.caisson(['kill', row?.id ?? '']);
  assert.equal(again.status, 64);
  assert.match(again.stderr, /has ended/);
  const unknown = place.caisson(['kill', '01a2b3c4-5d6e-7f80-9a1b-2c3d4e5f6071']);
  assert.equal(unknown.status, 66);
});

test('where no state can be kept, it serves all the same, and says what is missing', async () => {
  using place = makePlace();
  const file = join(place.work, 'file');
  writeFileSync(file, '');
  const environment = { ...place.environment, XDG_STATE_HOME: file };
  await using mcp = await startMcp({ cwd: place.work, environment });
  const answer = await mcp.call('run_command', { argv: ['echo', 'hello'] });
  assert.equal(answer.structured.stdout.text, 'hello\n');
});

test('a person who types it at a terminal is told what it is', { skip: withoutPython }, () => {
  using place = makePlace();
  const steps = JSON.stringify([['speaks to over stdin; Ctrl-C ends it', 0.5, [3]]]);
  const { status, stdout, stderr } = spawnSync('python3', ['-c', typist, steps, entry, 'mcp'], {
    cwd: place.work,
    env: place.environment,
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.deepEqual([status, stdout.trim()], [0, '0'], stderr);
});
