/** A tenant who does what is allowed, in such a way that the others’ sandboxes or requests would pay for it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { WireOutcome } from '../../../src/api/outcome.ts';
import { type Served, served } from '../served.ts';

const MiB = 2 ** 20;

describe('the neighbours of a tenant', () => {
  let service: Served;
  let key: string;
  let neighbour: string;
  let sandbox: string;

  before(async () => {
    service = await served({ audit: { enabled: false } });
    key = await service.key('developer');
    neighbour = await service.key('developer', 'globex');
    const made = await service.ask('POST', '/api/sandboxes', {
      key: neighbour,
      body: { policy: 'moderate', workspace: 'private' },
    });
    assert.equal(made.status, 201, made.text);
    sandbox = (made.body as { id: string }).id;
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
  });

  /** What the neighbour has still runs, and answers. */
  const stands = async () => {
    const { status, text } = await service.ask('POST', `/api/sandboxes/${sandbox}/exec`, {
      key: neighbour,
      body: { argv: ['echo', 'still here'] },
    });
    assert.equal(status, 200, text);
    assert.match(text, /still here/);
  };

  test('keep their sandboxes when one prints as much as the ceiling lets it', async () => {
    const policy = {
      version: 1,
      level: 'moderate',
      limits: { output: '64MiB', memory: '64MiB' },
    };
    const ran = await service.ask('POST', '/api/runs', {
      key,
      body: {
        argv: ['sh', '-c', 'head -c 64M /dev/zero; head -c 64M /dev/zero >&2'],
        policy,
        workspace: 'private',
      },
    });
    await stands();
    assert.equal(ran.status, 200, ran.text.slice(0, 500));
    const { stdout, stderr } = ran.body as WireOutcome;
    for (const stream of [stdout, stderr]) {
      assert.equal(stream.totalBytes, 64 * MiB);
      assert.equal(stream.truncated, true);
    }
  });
});
