/** A guest that takes files away, or puts links in their place, while the service is asked for them. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { UploadAccount } from '../../../src/server/upload-account.ts';
import { type Served, served } from '../served.ts';

test('a file that was written counts, also where it is gone before it is looked at', () => {
  let held = 0;
  const lease = {
    resize: ({ workspaceBytes }: { workspaceBytes: number }) => {
      assert.ok(workspaceBytes >= 0, `${workspaceBytes}`);
      held = workspaceBytes;
    },
    release: () => {},
  };
  const account = new UploadAccount(lease as never);
  for (let i = 0; i < 3; i++) {
    const upload = account.begin('/work/a');
    upload.count(100);
    upload.done();
    upload.failed();
    assert.equal(held, 100);
  }
  const given = account.begin('/work/b');
  given.count(50);
  given.failed();
  assert.equal(held, 100);
  account.removed('/work/a');
  assert.equal(held, 0);
});

const SWAP = `
end=$(( $(date +%s) + 6 ))
mkdir -p real; ln -sfn "$1" link
while [ "$(date +%s)" -lt "$end" ]; do
  mv d real/x 2>/dev/null; mv link d 2>/dev/null; mv d link 2>/dev/null; mv real/x d 2>/dev/null; mkdir d 2>/dev/null
done; true`;

describe('a directory that is a link to the host’s now and then', () => {
  const shared = mkdtempSync(join(tmpdir(), 'caisson-raced-'));
  const canary = mkdtempSync(join(tmpdir(), 'caisson-canary-'));
  let service: Served;
  let key: string;

  before(async () => {
    mkdirSync(join(shared, 'd'));
    writeFileSync(join(canary, 'secret'), 'the canary’s own\n');
    service = await served({
      audit: { enabled: false },
      workspaces: { shared },
      tenants: { acme: { workspaces: ['shared'] }, globex: {} },
    });
    key = await service.key('developer');
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
    rmSync(shared, { recursive: true, force: true });
    rmSync(canary, { recursive: true, force: true });
  });

  const create = async (workspace: 'direct' | 'overlay') => {
    const policy = { version: 1, level: 'moderate', filesystem: { write: ['.'], workspace } };
    const body = { policy, workspace: 'shared' };
    const made = await service.ask('POST', '/api/sandboxes', { key, body });
    assert.equal(made.status, 201, made.text);
    return `/api/sandboxes/${(made.body as { id: string }).id}`;
  };

  test('nothing is read, written or removed through it; what went wrong is no fault of ours', async () => {
    const [direct, overlay] = [await create('direct'), await create('overlay')];
    let isSwapping = true;
    const swapping = service
      .ask('POST', `${direct}/exec`, { key, body: { argv: ['sh', '-c', SWAP, 'swap', canary] } })
      .finally(() => {
        isSwapping = false;
      });
    const wrong: string[] = [];
    const ask = async (method: string, path: string, options: object = {}) => {
      const asked = service.ask(method, path, { key, ...options });
      // A file that becomes shorter while it is read breaks the connection, so that nobody takes it for whole.
      const answer = method === 'GET' ? await asked.catch(() => undefined) : await asked;
      if (answer === undefined) return;
      const { status, text } = answer;
      if (status >= 500 || text.includes('canary’s own')) wrong.push(`${method} ${path}: ${text}`);
    };
    const bytes = { raw: 'evil', headers: { 'content-type': 'application/octet-stream' } };
    const files = async () => {
      while (isSwapping) {
        await ask('GET', `${direct}/files?path=d/secret`);
        await ask('PUT', `${direct}/files?path=d/secret`, bytes);
        await ask('GET', `${direct}/files/list?path=d`);
        await ask('DELETE', `${direct}/files?path=d/secret`);
      }
    };
    const script = 'mkdir -p d; echo evil > d/secret; echo evil > d/new; mkdir -p d/sub';
    const changes = async () => {
      while (isSwapping) {
        await ask('POST', `${overlay}/exec`, { body: { argv: ['sh', '-c', script] } });
        await ask('POST', `${overlay}/apply`, { body: {} });
      }
    };
    await Promise.all([files(), files(), changes()]);
    assert.equal((await swapping).status, 200);
    assert.deepEqual(wrong, []);
    assert.deepEqual(readdirSync(canary), ['secret']);
    assert.equal(readFileSync(join(canary, 'secret'), 'utf8'), 'the canary’s own\n');
  });
});
