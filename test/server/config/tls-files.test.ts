/** What is wrong with a certificate or its key, before anybody is to be served. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isCaissonError } from '../../../src/core/error.ts';
import { parseConfig } from '../../../src/server/config/config.ts';
import { configFileProblems } from '../../../src/server/config/config-files.ts';
import { readTls } from '../../../src/server/config/tls-files.ts';
import { serve } from '../../../src/server/serve.ts';

const directory = mkdtempSync(join(tmpdir(), 'caisson-tls-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const at = (name: string): string => join(directory, name);

function make(name: string): void {
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  const files = ['-keyout', at(`${name}.key`), '-out', at(`${name}.crt`)];
  const rest = ['-nodes', '-days', '2', '-subj', '/CN=localhost'];
  execFileSync('openssl', ['req', '-x509', ...curve, ...files, ...rest], { stdio: 'ignore' });
  chmodSync(at(`${name}.key`), 0o600);
}

before(() => {
  make('own');
  make('other');
  writeFileSync(at('none'), 'nothing of the kind\n', { mode: 0o600 });
});

const rows: [string, { certFile: string; keyFile: string }, RegExp][] = [
  [
    'not there',
    { certFile: at('no'), keyFile: at('own.key') },
    /^listen\.tls\.certFile: .*not there/,
  ],
  [
    'no certificate',
    { certFile: at('none'), keyFile: at('own.key') },
    /certFile: .*no certificate/,
  ],
  ['no key', { certFile: at('own.crt'), keyFile: at('none') }, /keyFile: .*no private key/],
  ['another key', { certFile: at('own.crt'), keyFile: at('other.key') }, /is not that of/],
];

for (const [name, tls, expected] of rows) {
  test(`${name}: the service does not begin, and the check of the configuration says the same`, async () => {
    const config = parseConfig({ stateDirectory: at('state'), listen: { port: 0, tls } });
    await assert.rejects(serve(config), (error) => {
      assert.ok(isCaissonError(error) && error.code === 'CONFIG_INVALID', String(error));
      assert.match(error.message, expected);
      return true;
    });
    const [problem] = await configFileProblems(config);
    assert.match(`${problem?.path}: ${problem?.message}`, expected);
  });
}

test('a key that others may read is none, to the service as to the check', async () => {
  const tls = { certFile: at('own.crt'), keyFile: at('own.key') };
  assert.match((await readTls(tls)).key.toString(), /PRIVATE KEY/);
  chmodSync(tls.keyFile, 0o640);
  const config = parseConfig({ stateDirectory: at('state'), listen: { port: 0, tls } });
  await assert.rejects(serve(config), { code: 'CONFIG_INVALID', message: /others may read it/ });
  const [problem] = await configFileProblems(config);
  assert.match(problem?.message ?? '', /others may read it/);
});
