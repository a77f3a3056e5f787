/** Trees as tar archives: real ones, and those that somebody contrived. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
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
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pack } from 'tar-stream';
import { type Served, served } from './served.ts';

const directory = mkdtempSync(join(tmpdir(), 'caisson-tree-'));
let service: Served;
let key: string;
let id: string;
let workspace: string;
let count = 0;
let to = '';

before(async () => {
  service = await served({
    limits: { uploadBytes: '64MiB' },
    tenants: { acme: { quotas: { workspaceBytes: 48 * 2 ** 20 } }, globex: {} },
    audit: { enabled: false },
  });
  key = await service.key('developer');
  const made = await service.ask('POST', '/api/sandboxes', {
    key,
    body: { policy: 'moderate', workspace: 'private' },
  });
  ({ id } = made.body as { id: string });
  workspace = join(
    service.state,
    'workspaces',
    readdirSync(join(service.state, 'workspaces'))[0] ?? '',
  );
});
beforeEach(() => {
  to = `to-${count++}`;
});
after(async () => {
  await service[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

async function send(
  archive: Buffer | ReadableStream,
  type = 'application/x-tar',
  as = { key, id },
) {
  const response = await fetch(`${service.address}/api/sandboxes/${as.id}/tree?path=${to}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${as.key}`, 'content-type': type },
    body: archive as NonNullable<RequestInit['body']>,
    duplex: 'half',
  } as RequestInit);
  const text = await response.text();
  return { status: response.status, text, body: JSON.parse(text) };
}

async function receive(path: string): Promise<Buffer> {
  const response = await fetch(
    `${service.address}/api/sandboxes/${id}/tree?path=${encodeURIComponent(path)}`,
    { headers: { authorization: `Bearer ${key}` } },
  );
  assert.equal(response.status, 200);
  return Buffer.from(await response.arrayBuffer());
}

type Header = Parameters<ReturnType<typeof pack>['entry']>[0];

async function archive(...entries: (readonly [Header, string?])[]): Promise<Buffer> {
  const out = pack();
  for (const [header, content] of entries) out.entry(header, content ?? '');
  out.finalize();
  return Buffer.concat(await Array.fromAsync(out as AsyncIterable<Buffer>));
}

async function guest(script: string): Promise<void> {
  const { body, text } = await service.ask('POST', `/api/sandboxes/${id}/exec`, {
    key,
    body: { argv: ['sh', '-c', script] },
  });
  assert.equal((body as { code: number }).code, 0, text);
}

test('a tree goes in with tar of the system, and comes out to it', async () => {
  const source = join(directory, 'source');
  mkdirSync(join(source, 'a/b'), { recursive: true });
  writeFileSync(join(source, 'a/b/file'), 'content\n', { mode: 0o640 });
  writeFileSync(join(source, 'big'), Buffer.alloc(3_000_001, 7));
  writeFileSync(join(source, 'run'), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(join(source, `${'long'.repeat(60)}-ä`), 'long\n');
  symlinkSync('a/b/file', join(source, 'link'));
  mkdirSync(join(source, 'closed'), { mode: 0o555 });
  const { status, text, body } = await send(
    execFileSync('tar', ['-C', source, '-cf', '-', '.'], { maxBuffer: 2 ** 24 }),
  );
  assert.equal(status, 200, text);
  assert.deepEqual([body.files, body.links], [4, 1]);
  const there = join(workspace, to);
  assert.equal(execFileSync('diff', ['-r', '--no-dereference', source, there]).length, 0);
  assert.equal(lstatSync(join(there, 'a/b/file')).mode & 0o777, 0o640);
  assert.equal(lstatSync(join(there, 'closed')).mode & 0o777, 0o555);
  const back = join(directory, 'back');
  mkdirSync(back);
  execFileSync('tar', ['-C', back, '-xf', '-'], { input: await receive(to) });
  assert.equal(execFileSync('diff', ['-r', '--no-dereference', source, back]).length, 0);
  assert.equal(readlinkSync(join(back, 'link')), 'a/b/file');
  assert.equal(lstatSync(join(back, 'run')).mode & 0o777, 0o755);
});

const outside = join(directory, 'outside');
const refused: [string, (readonly [Header, string?])[]][] = [
  ['an absolute path', [[{ name: '/etc/caisson-test' }, 'x']]],
  ['a way out', [[{ name: '../caisson-test' }, 'x']]],
  ['a way out further on', [[{ name: 'a/../../caisson-test' }, 'x']]],
  ['a device', [[{ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }]]],
  ['a block device', [[{ name: 'sda', type: 'block-device', devmajor: 8, devminor: 0 }]]],
  ['a FIFO', [[{ name: 'fifo', type: 'fifo' }]]],
  ['a hard link', [[{ name: 'hard', type: 'link', linkname: '/etc/passwd' }]]],
  [
    'a file behind a link of the archive',
    [[{ name: 'l', type: 'symlink', linkname: outside }], [{ name: 'l/planted' }, 'x']],
  ],
  [
    'a directory behind a link of the archive',
    [
      [{ name: 'a', type: 'directory' }],
      [{ name: 'a/l', type: 'symlink', linkname: '../..' }],
      [{ name: './a//l/planted', type: 'directory' }],
    ],
  ],
  [
    'a directory where a link is',
    [[{ name: 'l', type: 'symlink', linkname: outside }], [{ name: 'l', type: 'directory' }]],
  ],
  ['a file without a name', [[{ name: '.' }, 'x']]],
];
for (const [what, entries] of refused) {
  test(`refused: ${what}`, async () => {
    mkdirSync(outside, { recursive: true });
    const { status, body } = await send(await archive(...entries));
    assert.deepEqual([status, body.code], [400, 'REQUEST_INVALID'], JSON.stringify(body));
    assert.deepEqual(readdirSync(outside), []);
    for (const path of [
      '/etc/caisson-test',
      join(workspace, 'caisson-test'),
      join(workspace, 'planted'),
    ]) {
      assert.equal(existsSync(path), false, path);
    }
  });
}

test('a link that leads out is a link, and leads nowhere', async () => {
  mkdirSync(outside, { recursive: true });
  const links = await send(
    await archive(
      [{ name: 'out', type: 'symlink', linkname: outside }],
      [{ name: 'etc', type: 'symlink', linkname: '/etc' }],
    ),
  );
  assert.equal(links.status, 200, links.text);
  assert.equal(readlinkSync(join(workspace, to, 'out')), outside);
  // A second archive goes through it: inside, where the guest's own rights end.
  const through = await send(
    await archive([{ name: 'out/planted' }, 'x'], [{ name: 'etc/caisson-test' }, 'x']),
  );
  assert.notEqual(through.status, 200);
  assert.deepEqual(readdirSync(outside), []);
  assert.equal(existsSync('/etc/caisson-test'), false);
});

test('what comes twice, or is a link already, is replaced', async () => {
  const { status, text } = await send(
    await archive(
      [{ name: 'f' }, 'one'],
      [{ name: 'f' }, 'two'],
      [{ name: 'l', type: 'symlink', linkname: 'f' }],
      [{ name: 'l' }, 'three'],
      [{ name: 'f', mode: 0o400 }, 'four'],
      [{ name: 'f', mode: 0o400 }, 'five'],
    ),
  );
  assert.equal(status, 200, text);
  assert.equal(readFileSync(join(workspace, to, 'f'), 'utf8'), 'five');
  assert.equal(readFileSync(join(workspace, to, 'l'), 'utf8'), 'three');
});

test('set-user-id bits do not come in', async () => {
  await send(await archive([{ name: 'suid', mode: 0o6755 }, 'x']));
  assert.equal(lstatSync(join(workspace, to, 'suid')).mode & 0o7777, 0o755);
});

test('what is no archive, or is cut off, or has mad numbers in it', async () => {
  const whole = await archive([{ name: 'f' }, 'x'.repeat(5000)]);
  const mad = Buffer.from(whole);
  mad.write('77777777777\0', 124);
  const named = Buffer.from(whole);
  named[200] = 1;
  for (const bytes of [
    Buffer.from('no archive at all'.repeat(100)),
    whole.subarray(0, 2000),
    whole.subarray(0, 300),
    mad,
    named,
  ]) {
    const { status, body } = await send(bytes);
    assert.deepEqual([status, body.code], [400, 'REQUEST_INVALID'], JSON.stringify(body));
  }
  assert.equal((await send(Buffer.alloc(1024))).status, 200);
  assert.equal((await send(whole, 'application/json')).status, 400);
});

/** Says another size, with a sum that is right. */
function resize(header: Buffer, size: number): void {
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
}

test('a header of a gigabyte is not kept', async () => {
  const header = await archive([{ name: 'x'.repeat(300) }, '']);
  const huge = Buffer.from(header.subarray(0, 512));
  resize(huge, 0o6000000000);
  const before = process.memoryUsage().rss;
  const { status, text } = await send(Buffer.concat([huge, Buffer.alloc(32 * 2 ** 20, 'a')]));
  assert.equal(status, 400, text);
  assert.match(text, /max size/);
  assert.ok(process.memoryUsage().rss - before < 200 * 2 ** 20);
});

test('more than the tenant may have: refused as it comes, and nothing grows', async () => {
  const zeros = Buffer.alloc(2 ** 20);
  const header = Buffer.from((await archive([{ name: 'bomb' }])).subarray(0, 512));
  resize(header, 60 * 2 ** 20);
  let sent = 0;
  const body = new ReadableStream({
    pull(controller) {
      controller.enqueue(sent === 0 ? header : zeros);
      sent += 1;
      if (sent > 62) controller.close();
    },
  });
  const { status, text } = await send(body);
  assert.equal(status, 429, text);
  assert.deepEqual(readdirSync(join(workspace, to)), []);
});

test('so many entries, and no more', async () => {
  const globex = await service.key('developer', 'globex');
  const other = await service.ask('POST', '/api/sandboxes', { key: globex, body: {} });
  const as = { key: globex, id: (other.body as { id: string }).id };
  to = '/tmp/tree';
  const one = (await archive([{ name: 'd', type: 'directory' }])).subarray(0, 512);
  const many = (n: number) => Buffer.concat(Array.from({ length: n }, () => one));
  const all = await send(many(100_000), 'application/x-tar', as);
  assert.equal(all.status, 200, all.text);
  const { status, text } = await send(many(100_001), 'application/x-tar', as);
  assert.equal(status, 400, text);
});

test('what a guest made comes out as it is: no device, no way out, however it grows meanwhile', async () => {
  await guest(
    `mkdir ${to} && cd ${to} && ln -s / root && ln -s /etc/shadow shadow && mkfifo fifo && echo x > f && mkdir d && chmod 000 d || exit 1; (yes | head -c 500000000) > growing & sleep 0.1`,
  );
  await guest(`chmod 755 ${to}/d`);
  const back = join(directory, to);
  mkdirSync(back);
  execFileSync('tar', ['-C', back, '-xf', '-'], { input: await receive(to) });
  assert.deepEqual(readdirSync(back).sort(), ['d', 'f', 'growing', 'root', 'shadow']);
  assert.equal(readlinkSync(join(back, 'root')), '/');
  await guest('pkill yes; rm */growing');
});

test('a client that goes away in the middle of a download stops it', async () => {
  await guest(`mkdir ${to} && head -c 200000000 /dev/zero > ${to}/zeros`);
  const response = await fetch(`${service.address}/api/sandboxes/${id}/tree?path=${to}`, {
    headers: { authorization: `Bearer ${key}` },
  });
  const reader = response.body?.getReader();
  await reader?.read();
  const before = process.memoryUsage().rss;
  await sleep(300);
  assert.ok(process.memoryUsage().rss - before < 64 * 2 ** 20);
  await reader?.cancel();
  await guest(`rm -r ${to}`);
});

test('what is no directory', async () => {
  await guest(`echo x > ${to}`);
  const { status } = await service.ask('GET', `/api/sandboxes/${id}/tree?path=${to}`, { key });
  assert.equal(status, 400);
  assert.equal((await send(await archive([{ name: 'f' }, 'x']))).status, 400);
});
