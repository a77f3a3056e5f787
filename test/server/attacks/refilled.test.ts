/** A guest that fills, empties and exchanges what the service is asked to pack, to remove, to compare: every request ends. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { extract } from 'tar-stream';
import { CaissonError, isCaissonError } from '../../../src/core/error.ts';
import type { SandboxFiles } from '../../../src/sandbox/files.ts';
import { removeWithin } from '../../../src/sandbox/remove-within.ts';
import { packTree } from '../../../src/server/pack-tree.ts';
import { type KeptSnapshot, ServedSnapshots } from '../../../src/server/served-snapshots.ts';
import { type Served, served } from '../served.ts';

/** Far beyond what any of them takes, far below for ever. */
const ENDS_MS = 25_000;

function failing(errno: string): CaissonError {
  return new CaissonError('FILE_FAILED', { layer: 'sandbox', details: { errno } });
}

/** Files of a guest that does what `reads` says of each name once its header is out. */
function contrived(reads: Record<string, () => AsyncGenerator<Buffer>>): SandboxFiles {
  const names = Object.keys(reads);
  const file = { type: 'file', mode: 0o644, size: 8, modifiedMs: 0 };
  return {
    isRedacted: false,
    stat: async () => ({ ...file, type: 'directory' }),
    page: async () => ({ entries: names.map((name) => ({ ...file, name })) }),
    readStream: (path: string) => reads[path.slice(1)]?.(),
  } as unknown as SandboxFiles;
}

async function unpacked(archive: AsyncIterable<Buffer>): Promise<Record<string, string>> {
  const out: Record<string, string> = {};
  const reader = extract();
  const fed = (async () => {
    for await (const piece of archive) reader.write(piece);
    reader.end(undefined);
  })();
  for await (const entry of reader) {
    const bytes = await Array.fromAsync(entry as AsyncIterable<Buffer>);
    out[entry.header.name] = Buffer.concat(bytes).toString('latin1');
  }
  await fed;
  return out;
}

const whole = async function* () {
  yield Buffer.from('contents');
};

test('a file that goes while it is packed ends its entry; the others come', {
  timeout: ENDS_MS,
}, async () => {
  for (const errno of ['ENOENT', 'ELOOP', 'EISDIR', 'EINVAL', 'ENOTDIR']) {
    const files = contrived({
      before: whole,
      goes: async function* () {
        yield Buffer.from('half');
        throw failing(errno);
      },
      gone: async function* () {
        yield* [];
        throw failing(errno);
      },
      after: whole,
    });
    assert.deepEqual(await unpacked(await packTree(files, '/')), {
      before: 'contents',
      goes: 'half\0\0\0\0',
      after: 'contents',
    });
  }
});

test('what the agent cannot read for another reason breaks the archive', {
  timeout: ENDS_MS,
}, async () => {
  const files = contrived({
    before: whole,
    goes: async function* () {
      yield Buffer.from('half');
      throw failing('EIO');
    },
  });
  const archive = await packTree(files, '/');
  await assert.rejects(
    async () => await Array.fromAsync(archive),
    (error) => isCaissonError(error) && error.details.errno === 'EIO',
  );
});

test('directories are packed no faster than they are taken', { timeout: ENDS_MS }, async () => {
  let listed = 0;
  const directory = { type: 'directory', mode: 0o755, size: 0, modifiedMs: 0, name: 'd' };
  const files = {
    stat: async () => directory,
    page: async (path: string) => {
      listed += 1;
      const isTop = path === '/';
      return { entries: isTop ? [directory] : [], ...(isTop ? { next: listed } : {}) };
    },
  } as unknown as SandboxFiles;
  const pieces = (await packTree(files, '/'))[Symbol.asyncIterator]();
  for (let i = 0; i < 10; i++) await pieces.next();
  for (let i = 0; i < 100; i++) await new Promise(setImmediate);
  assert.ok(listed < 100, `${listed}`);
  await pieces.return?.();
  const then = listed;
  for (let i = 0; i < 100; i++) await new Promise(setImmediate);
  assert.ok(listed <= then + 2, `${listed} after ${then}: it goes on for nobody`);
});

test('a removal that is never done is given up, and one that somebody else finishes is done', async () => {
  const request = { op: 'remove', path: '/t' } as const;
  let asked = 0;
  const never = async (): Promise<never> => {
    asked += 1;
    await new Promise(setImmediate);
    throw failing('EAGAIN');
  };
  await assert.rejects(
    removeWithin(never, request, 50),
    (error) => isCaissonError(error) && error.details.errno === 'EAGAIN',
  );
  assert.ok(asked > 1);
  let turn = 0;
  await removeWithin(
    async () => {
      throw failing(turn++ === 0 ? 'EAGAIN' : 'ENOENT');
    },
    request,
    60_000,
  );
  await assert.rejects(
    removeWithin(() => Promise.reject(failing('ENOENT')), request),
    (error) => isCaissonError(error) && error.details.errno === 'ENOENT',
  );
});

test('snapshots that are asked for at once are no more than a tenant may keep', async () => {
  const snapshots = new ServedSnapshots();
  const gate = Promise.withResolvers<void>();
  let taken = 0;
  const take = (fails: boolean) => async (): Promise<KeptSnapshot> => {
    await gate.promise;
    if (fails) throw new Error('could not be taken');
    return { tenant: 'acme', snapshot: { id: `s${taken++}` } } as unknown as KeptSnapshot;
  };
  const asked = Array.from({ length: 300 }, (_, i) => snapshots.keep('acme', take(i < 20)));
  const settled = Promise.allSettled(asked);
  gate.resolve();
  const refused = (await settled)
    .filter((each) => each.status === 'rejected')
    .filter(({ reason }) => isCaissonError(reason) && reason.code === 'QUOTA_EXCEEDED');
  assert.equal(refused.length, 300 - 256);
  assert.equal(snapshots.list('acme').length, 256 - 20);
  // What failed has given its place back.
  for (let i = 0; i < 20; i++) await snapshots.keep('acme', take(false));
  await assert.rejects(snapshots.keep('acme', take(false)), /256 snapshots/);
  await snapshots.keep('globex', take(false));
});

/** $1: the host's canary, $2: seconds. */
const EXCHANGE = `
end=$(( $(date +%s) + $2 )); mkdir -p real d; ln -sfn "$1" link
while [ "$(date +%s)" -lt "$end" ]; do
  for i in 1 2 3 4 5; do
    mv d real/x; mv link d; mv d link; mv real/x d; mkdir d; echo long-$i > d/f$i
    head -c 3000000 /dev/zero > d/big; rm -rf d/big; mkfifo d/big; rm -rf d/big; mkdir d/big; rmdir d/big
    rm -f below; mkfifo below; rm -f below; ln -s "$1" below; rm -f below; echo again > below
  done
done 2>/dev/null; true`;

const REFILL = `
end=$(( $(date +%s) + $2 ))
fill() {
  while [ "$(date +%s)" -lt "$end" ]; do mkdir -p t/k; touch $(seq -f t/$1-%g 1 9000) t/k/$1; done 2>/dev/null
}
fill 1 & fill 2 & fill 3 & fill 4 & wait; true`;

describe('requests against a guest that does not stand still', () => {
  const shared = mkdtempSync(join(tmpdir(), 'caisson-refilled-'));
  const canary = mkdtempSync(join(tmpdir(), 'caisson-canary-'));
  let service: Served;
  let key: string;

  before(async () => {
    mkdirSync(join(shared, 'd'));
    writeFileSync(join(shared, 'below'), 'before\n');
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

  /** Asks again and again while the guest is at it. @returns what went wrong, and how often it was answered */
  const race = async (sandbox: string, script: string, seconds: number, asks: Ask[]) => {
    const wrong: string[] = [];
    const answered = new Map<string, number>();
    let isOn = true;
    const argv = ['sh', '-c', script, 'guest', canary, String(seconds)];
    const running = service.ask('POST', `${sandbox}/exec`, { key, body: { argv } }).finally(() => {
      isOn = false;
    });
    const loop = async ([method, path, options = {}]: Ask) => {
      const name = `${method} ${path}`;
      do {
        const signal = AbortSignal.timeout(ENDS_MS);
        try {
          const told = await service.ask(method, `${sandbox}${path}`, { key, signal, ...options });
          const { status, text } = told;
          if (status >= 500 || text.includes('canary’s own')) wrong.push(`${name}: ${text}`);
          answered.set(name, (answered.get(name) ?? 0) + 1);
          const { id } = (status === 201 ? told.body : {}) as { id?: string };
          if (id === undefined) continue;
          const kind = path === '/fork' ? 'sandboxes' : 'snapshots';
          await service.ask('DELETE', `/api/${kind}/${id}`, { key });
        } catch (error) {
          wrong.push(`${name}: ${error}`);
          return;
        }
      } while (isOn);
    };
    await Promise.all(asks.map(loop));
    const ran = await running;
    assert.equal((ran.body as { code?: number }).code, 0, ran.text);
    return { wrong, answered };
  };

  type Ask = [method: string, path: string, options?: object];

  const check = async (sandbox: string, script: string, seconds: number, asks: Ask[]) => {
    const { wrong, answered } = await race(sandbox, script, seconds, asks);
    assert.deepEqual(wrong, []);
    for (const [method, path] of asks) {
      assert.ok((answered.get(`${method} ${path}`) ?? 0) > 0, `${method} ${path}`);
    }
    assert.deepEqual(readdirSync(canary), ['secret']);
    assert.equal(readFileSync(join(canary, 'secret'), 'utf8'), 'the canary’s own\n');
    await service.ask('DELETE', sandbox, { key });
  };

  const TREES: Ask[] = [
    ['GET', '/tree?path=.'],
    ['GET', '/tree?path=d'],
  ];

  test('trees of a directory that is a link now and then, of files that are FIFOs', async () => {
    await check(await create('direct'), EXCHANGE, 4, TREES);
    await check(await create('overlay'), EXCHANGE, 4, TREES);
  });

  test('changes, diff, apply, fork, snapshot of the same', async () => {
    await check(await create('overlay'), EXCHANGE, 6, [
      ['GET', '/changes'],
      ['GET', '/diff'],
      ['GET', '/diff?most=100000'],
      ['POST', '/apply', { body: { skipProtected: true } }],
      ['POST', '/fork', { body: {} }],
      ['POST', '/snapshots'],
    ]);
  });

  test('a directory that is filled as fast as it is emptied, and others come between', async () => {
    await check(await create('direct'), REFILL, 12, [
      ['DELETE', '/files?path=t&recursive=true'],
      ['GET', '/files/stat?path=below'],
    ]);
  });
});
