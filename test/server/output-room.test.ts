/** What commands of kept sandboxes may write until they are answered: so much of a tenant, and the others wait. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { OutputRoom, outputBytesOf } from '../../src/server/output-room.ts';
import { until } from '../until.ts';
import { served } from './served.ts';

const MiB = 2 ** 20;
const roomOf = (outputBytes: number) => new OutputRoom(() => ({ quotas: { outputBytes } }));

describe('room for output', () => {
  test('counts both streams, and no more than the launcher keeps', () => {
    assert.equal(outputBytesOf(8 * MiB), 16 * MiB);
    assert.equal(outputBytesOf(4096 * MiB), 62 * MiB);
    assert.equal(outputBytesOf(null), 2 * MiB);
  });

  test('is each tenant’s own, in the order of who asks, and free again whatever came of it', async () => {
    const room = roomOf(1024 * MiB);
    const begun: number[] = [];
    const ends = Array.from({ length: 6 }, () => Promise.withResolvers<void>());
    const { signal } = new AbortController();
    // Sixteen fit.
    const big = Array.from({ length: 40 }, (_, i) =>
      room.during('acme', 62 * MiB, signal, async () => {
        begun.push(i);
        await ends[i % 6]?.promise;
        if (i === 0) throw new Error('failed');
      }),
    );
    big[0]?.catch(() => {});
    await sleep(0);
    const fit = 16;
    assert.deepEqual(
      begun,
      Array.from({ length: fit }, (_, i) => i),
    );
    await room.during('globex', 62 * MiB, signal, async () => begun.push(100));
    assert.equal(begun.length, fit + 1);
    for (const end of ends) end.resolve();
    await Promise.allSettled(big);
    assert.deepEqual(
      begun.slice(fit + 1),
      Array.from({ length: 40 - fit }, (_, i) => fit + i),
    );
  });

  test('who waits may go, and too many are refused', async () => {
    const room = roomOf(1024 * MiB);
    const end = Promise.withResolvers<void>();
    const leaving = new AbortController();
    const { signal } = new AbortController();
    const held = Array.from({ length: 16 }, () =>
      room.during('acme', 62 * MiB, signal, () => end.promise),
    );
    const gone = room.during('acme', 62 * MiB, leaving.signal, async () => {});
    leaving.abort();
    await assert.rejects(gone, { code: 'ABORTED' });
    const line = Array.from({ length: 2500 }, () =>
      room.during('acme', 62 * MiB, signal, async () => {}),
    );
    await assert.rejects(
      room.during('acme', 62 * MiB, signal, async () => {}),
      { code: 'QUOTA_EXCEEDED' },
    );
    end.resolve();
    await Promise.all([...held, ...line]);
  });
});

test('more commands at once than there is room for their output wait, and are all answered', async () => {
  const project = mkdtempSync(join(tmpdir(), 'caisson-output-room-'));
  try {
    mkdirSync(join(project, 'begun'));
    await using service = await served({
      audit: { enabled: false },
      workspaces: { project },
      tenants: { acme: { workspaces: ['project'], quotas: { outputBytes: '192MiB' } } },
    });
    const key = await service.key('developer');
    const policy = {
      level: 'moderate',
      filesystem: { write: ['.'], workspace: 'direct' },
      limits: { output: '16MiB', timeout: '2m' },
    };
    const made = await service.ask('POST', '/api/sandboxes', {
      key,
      body: { policy, workspace: 'project' },
    });
    assert.equal(made.status, 201, made.text);
    const { id } = made.body as { id: string };
    const script = 'touch begun/$1; until [ -e go ]; do sleep 0.05; done; echo $1';
    const all = Array.from({ length: 12 }, (_, i) =>
      service.ask('POST', `/api/sandboxes/${id}/exec`, {
        key,
        body: { argv: ['sh', '-c', script, 'sh', String(i)] },
      }),
    );
    const begun = () => readdirSync(join(project, 'begun')).length;
    await until(
      () => `six have begun, and not ${begun()}`,
      () => begun() >= 6,
    );
    // A command of a shell keeps output, too.
    const { body: shell } = await service.ask('POST', `/api/sandboxes/${id}/shells`, {
      key,
      body: { program: 'sh' },
    });
    const path = `/api/sandboxes/${id}/shells/${(shell as { id: string }).id}`;
    const body = { command: 'touch shell' };
    const inShell = service.ask('POST', path, { key, body });
    await sleep(500);
    assert.equal(begun(), 6);
    assert.equal(existsSync(join(project, 'shell')), false);
    writeFileSync(join(project, 'go'), '');
    for (const [i, { status, body, text }] of (await Promise.all(all)).entries()) {
      assert.equal(status, 200, text);
      assert.equal((body as { stdout: { text: string } }).stdout.text, `${i}\n`);
    }
    assert.equal(begun(), 12);
    assert.equal((await inShell).status, 200);
    assert.equal(existsSync(join(project, 'shell')), true);
  } finally {
    rmSync(project, { recursive: true });
  }
});
