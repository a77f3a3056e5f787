/** `caisson audit`: what it prints and ends with. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AuditLog } from '../../src/observe/audit/audit-log.ts';
import { entry, makePlace, type Place } from './caisson.ts';

const run = `run_${'0'.repeat(32)}`;

async function logIn({ work }: Place, count = 20): Promise<string> {
  const directory = join(work, 'log');
  const witness = join(work, 'witness');
  mkdirSync(witness);
  await using log = await AuditLog.open({ directory, ship: [{ directory: witness }] });
  for (let n = 0; n < count; n++) {
    await log.append({
      kind: 'limit',
      id: run,
      tenant: n % 2 === 0 ? 'even' : 'odd',
      limit: String(n),
    });
  }
  await log.append({
    kind: 'refused',
    id: 'run_2',
    code: 'X',
    message: '\u001b[31mred\u009b\u202e|',
  });
  return join(directory, readdirSync(directory).find((name) => name.endsWith('.jsonl')) ?? '');
}

test('verify: good, and with what was shipped', async () => {
  using place = makePlace();
  await logIn(place);
  const { status, stdout, stderr } = place.caisson(['audit', 'verify', 'log']);
  assert.equal(status, 0, stderr);
  const head = /^head (\d+):([0-9a-f]{64})$/m.exec(stdout);
  assert.ok(head !== null);
  for (const given of [head[1], head[2], `${head[1]}:${head[2]}`]) {
    const again = place.caisson(['audit', 'verify', 'log', '--expect-head', given ?? '']);
    assert.equal(again.status, 0, again.stdout);
  }
  const shipped = ['audit', 'verify', 'log', '--checkpoints', 'witness', '--key', 'log.key.pub'];
  assert.equal(place.caisson(shipped).status, 0);
});

test('verify: an altered record is named, exit code 65', async () => {
  using place = makePlace();
  const path = await logIn(place);
  writeFileSync(path, readFileSync(path, 'utf8').replace('"limit":"7"', '"limit":"8"'));
  const { status, stdout } = place.caisson(['audit', 'verify', 'log']);
  assert.equal(status, 65);
  assert.match(stdout, /^changed: .*\.jsonl:11: record 10 /m);
  const { ok, findings } = JSON.parse(place.caisson(['audit', 'verify', 'log', '--json']).stdout);
  assert.equal(ok, false);
  assert.equal(findings[0].seq, 10);
});

test('verify: a tail that was cut off is found with shipped checkpoints or an expected head', async () => {
  using place = makePlace();
  const path = await logIn(place);
  const lines = readFileSync(path, 'utf8').split('\n');
  writeFileSync(path, `${lines.slice(0, -6).join('\n')}\n`);
  assert.equal(place.caisson(['audit', 'verify', 'log']).status, 0);
  assert.equal(place.caisson(['audit', 'verify', 'log', '--expect-head', '22']).status, 65);
  const shipped = place.caisson(['audit', 'verify', 'log', '--checkpoints', 'witness']);
  assert.equal(shipped.status, 65);
  assert.match(shipped.stdout, /^truncated: /m);
});

test('verify: no log, no key, nonsense', async () => {
  using place = makePlace();
  await logIn(place);
  assert.equal(place.caisson(['audit', 'verify', 'nowhere', '--key', 'log.key.pub']).status, 66);
  assert.equal(place.caisson(['audit', 'verify', 'log', '--key', 'nowhere']).status, 64);
  assert.equal(place.caisson(['audit', 'verify', 'log', '--expect-head', 'x']).status, 64);
});

test('query: by event, run, tenant and time', async () => {
  using place = makePlace();
  await logIn(place);
  const records = (...flags: string[]): { tenant?: string; event: string; ts: string }[] =>
    JSON.parse(place.caisson(['audit', 'query', 'log', ...flags, '--json']).stdout).records;
  assert.equal(records('--event', 'limit').length, 20);
  assert.equal(records('--event', 'limit', '--event', 'refused').length, 21);
  assert.equal(records('--run', run).length, 20);
  assert.equal(records('--tenant', 'odd').length, 10);
  assert.equal(records('--tenant', 'odd', '--limit', '3').length, 3);
  const [, second] = records('--event', 'limit');
  assert.equal(records('--event', 'limit', '--since', second?.ts ?? '').length, 19);
  assert.equal(records('--event', 'limit', '--until', second?.ts ?? '').length, 1);
  assert.equal(records('--event', 'limit', '--since', '1h').length, 20);
  assert.equal(records('--event', 'limit', '--until', '2020-01-01').length, 0);
  assert.equal(place.caisson(['audit', 'query', 'log', '--since', 'then']).status, 64);
});

test('query: a terminal obeys nothing of what a guest wrote', async () => {
  using place = makePlace();
  await logIn(place);
  for (const format of ['text', 'jsonl', 'pipe']) {
    const { stdout } = place.caisson([
      'audit',
      'query',
      'log',
      '--event',
      'refused',
      '--format',
      format,
    ]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
    assert.doesNotMatch(stdout.trimEnd(), /[\u0000-\u001f\u007f-\u009f\u202e]/, format);
    assert.match(stdout, /red/);
    if (format === 'pipe') assert.equal(stdout.split('|').length, 9);
  }
});

test('tail: the last, and what comes', async () => {
  using place = makePlace();
  const path = await logIn(place);
  const { stdout } = place.caisson(['audit', 'tail', 'log', '-n', '2', '--event', 'limit']);
  assert.deepEqual(stdout.match(/"limit":"\d+"/g), ['"limit":"18"', '"limit":"19"']);
  assert.equal(place.caisson(['audit', 'tail', 'log', '-f', '--json']).status, 64);

  const child = spawn(entry, ['audit', 'tail', '-f', 'log', '-n', '1', '--format', 'jsonl'], {
    cwd: place.work,
    env: place.environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let told = '';
  try {
    const seen = new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        if (told === '') {
          const line = readFileSync(path, 'utf8').split('\n').at(-2) ?? '';
          appendFileSync(path, `${line.replace(/"seq":\d+/, '"seq":777')}\n`);
        }
        told += chunk;
        if (told.includes('"seq":777')) resolve();
      });
    });
    await seen;
    assert.equal(told.trimEnd().split('\n').length, 2);
  } finally {
    child.kill('SIGKILL');
  }
});
