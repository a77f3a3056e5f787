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

  const evaluate = (source: string, more: object = {}) =>
    service.ask('POST', '/api/evaluations', {
      key,
      body: { language: 'javascript', source, args: [], memoryBytes: 256 * MiB, ...more },
    });
  const ENDLESS = {
    'parts in many places':
      'export default () => { let a = ["x"]; for (let i = 0; i < 40; i++) a = [a, a]; return a; }',
    'nothing but a length':
      'export default () => { const a = []; a.length = 2 ** 32 - 1; return a; }',
    'bytes as numbers': 'export default () => new Uint8Array(6 * 2 ** 20)',
    'a circle': 'export default () => { const a = []; a.push(a); return a; }',
  };
  for (const [what, source] of Object.entries(ENDLESS)) {
    test(`are answered while one returns ${what}`, async () => {
      const { status, text } = await evaluate(source);
      assert.equal(status, 400, text.slice(0, 300));
      assert.match(text, /REQUEST_INVALID/);
      await stands();
    });
  }

  test('are answered while one sends such a value to be written out', async () => {
    const rows = Array.from({ length: 40 }, (_, i) => `[${i + 1},${i + 1}]`);
    const { status, text } = await evaluate('print(1)', {
      language: 'python',
      encoding: 'devalue',
      args: undefined,
      input: `[${rows.join(',')},"x"]`,
    });
    assert.equal(status, 400, text.slice(0, 300));
    await stands();
  });

  test('are answered while an effect returns parts in many places', async () => {
    const code = ENDLESS['parts in many places'];
    await service.ask('POST', '/api/effects/register', { key, body: { id: 'endless', code } });
    const { status, text } = await service.ask('POST', '/api/effects/execute', {
      key,
      body: { id: 'endless' },
    });
    assert.equal(status, 400, text.slice(0, 300));
    await stands();
  });

  test('a value that is shared crosses whole where each part is written once', async () => {
    const source =
      'export default () => { let a = ["x"]; for (let i = 0; i < 40; i++) a = [a, a]; return a; }';
    const { status, body } = await evaluate(source, { encoding: 'devalue', args: '[[]]' });
    assert.equal(status, 200);
    assert.ok((body as { value: string }).value.length < 1000);
  });
});
