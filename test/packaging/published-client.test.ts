/** As npm lays it out, bundled: `caisson/client`, its types, and what it loads from packages of its own. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { bundle } from '../../packaging/bundle.ts';
import { served } from '../server/served.ts';

const repository = resolve(import.meta.dirname, '../..');
let root: string;

before(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-published-client-')));
  const modules = join(root, 'node_modules');
  const own = join(modules, 'caisson');
  await bundle(join(own, 'dist'));
  const types = spawnSync(
    join(repository, 'node_modules/.bin/tsc'),
    ['-p', join(repository, 'packaging/tsconfig.json'), '--outDir', join(own, 'dist/types')],
    { encoding: 'utf8' },
  );
  assert.equal(types.status, 0, types.stdout);
  const manifest = {
    name: 'caisson',
    version: '0.0.0',
    type: 'module',
    // As packaging/build.ts writes it.
    exports: {
      '.': { types: './dist/types/index.d.ts', default: './dist/index.js' },
      './client': { types: './dist/types/client/index.d.ts', default: './dist/client.js' },
    },
  };
  writeFileSync(join(own, 'package.json'), JSON.stringify(manifest));
  mkdirSync(join(modules, '@types'));
  for (const name of ['ws', 'tar-stream', 'zod', '@types/node']) {
    symlinkSync(join(repository, 'node_modules', name), join(modules, name));
  }
});
after(() => rmSync(root, { recursive: true, force: true }));

test('a program of whoever installed it speaks to a service', async () => {
  await using service = await served({ audit: { enabled: false } });
  const path = join(root, 'program.mjs');
  writeFileSync(
    path,
    `import { RemoteCaisson } from 'caisson/client';
const [url, apiKey] = process.argv.slice(2);
await using caisson = await RemoteCaisson.open({ url, apiKey });
await using sandbox = await caisson.create();
await sandbox.files.write('a', 'streams');
const guest = sandbox.spawn(['cat', 'a']);
for await (const { data } of guest) process.stdout.write(data);
await sandbox.files.upload(import.meta.dirname + '/program.mjs', 'b');
console.log('', (await caisson.call((a, b) => a + b, [40, 2])), (await guest.outcome).code);
`,
  );
  const program = spawn(process.execPath, [path, service.address, await service.key('developer')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const printed = Buffer.concat(await Array.fromAsync(program.stdout as AsyncIterable<Buffer>));
  assert.equal(printed.toString(), 'streams 42 0\n');
});

test('its types are those of the library', () => {
  writeFileSync(
    join(root, 'typed.mts'),
    `import { Caisson, type Outcome } from 'caisson';
import { RemoteCaisson, type SharedCaisson } from 'caisson/client';
async function program(caisson: SharedCaisson): Promise<Outcome> {
  await using sandbox = await caisson.create({ policy: 'strict' });
  return await sandbox.exec(['true']);
}
await program(await Caisson.open());
await program(await RemoteCaisson.open({ url: 'http://127.0.0.1:1' }));
// @ts-expect-error a service has no such method
(await RemoteCaisson.open({})).doctor();
`,
  );
  const compilerOptions = {
    module: 'nodenext',
    target: 'esnext',
    lib: ['esnext'],
    types: ['node'],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  };
  writeFileSync(
    join(root, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['typed.mts'] }),
  );
  const { status, stdout } = spawnSync(join(repository, 'node_modules/.bin/tsc'), ['-p', root], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stdout);
});
