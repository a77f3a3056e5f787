/** Domains and secrets of srt settings on a small internet (network/world.ts), by what its servers saw. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import type { PolicyDocument } from '../../src/policy/document.ts';
import { policyFromSrtSettings } from '../../src/policy/srt/policy-from-srt-settings.ts';
import { WorldClient } from './network/world-client.ts';

const hasCurl = spawnSync('sh', ['-c', 'command -v curl']).status === 0;
const rootless = process.getuid?.() === 0 ? false : 'needs root';
const skip = hasCurl ? rootless : 'curl is not installed';

/** Without its file system: there is no working directory here. */
function policyOf(settings: unknown): PolicyDocument {
  const { filesystem: _, ...document } = policyFromSrtSettings(settings, {
    home: '/root',
    cwd: '/srv',
  });
  return { ...document, filesystem: { read: [], write: [] } };
}

describe('srt settings on a small internet', { skip }, () => {
  let world: WorldClient;
  before(async () => {
    world = await WorldClient.start();
  });
  after(() => world.stop());

  const reached = async (network: object, ...urls: string[]): Promise<string[]> => {
    const script = urls.map((url) => `curl -sS -k -m 5 ${url}`).join('; ');
    const { seen } = await world.run(['sh', '-c', `${script}; true`], policyOf({ network }));
    assert.deepEqual(seen.strays, []);
    return seen.requests.map(({ host, path }) => host + path);
  };
  const all = [
    'http://one.test/a',
    'https://one.test/b',
    'http://two.test/c',
    'https://three.test/d',
  ];

  test('allowed domains at every port or at one, denied ones before them', async () => {
    assert.deepEqual(await reached({ allowedDomains: ['one.test'] }, ...all), [
      'one.test/a',
      'one.test/b',
    ]);
    assert.deepEqual(await reached({ allowedDomains: ['one.test:443'] }, ...all), ['one.test/b']);
    assert.deepEqual(
      await reached(
        { allowedDomains: ['one.test', 'three.test'], deniedDomains: ['one.test:80'] },
        ...all,
      ),
      ['one.test/b', 'three.test/d'],
    );
    assert.deepEqual(
      await reached({ allowedDomains: ['one.test'], deniedDomains: ['*'] }, ...all),
      [],
    );
    assert.deepEqual(await reached({ allowedDomains: [] }, ...all), []);
    assert.deepEqual(await reached({ allowedDomains: ['*.one.test'] }, ...all), []);
  });

  test('addresses; names that lead inside are refused', async () => {
    const address = 'http://198.51.100.20/e';
    assert.deepEqual(await reached({ allowedDomains: ['198.51.100.20'] }, address), [
      '198.51.100.20/e',
    ]);
    assert.deepEqual(
      await reached({ allowedDomains: ['198.51.100.20'], deniedDomains: ['*:80'] }, address),
      [],
    );
    assert.deepEqual(
      await reached(
        { allowedDomains: ['inner.test', 'cloud.test'] },
        'http://inner.test/',
        'http://cloud.test/',
      ),
      [],
    );
  });

  test('a masked variable is a placeholder inside, and the value where it is sent', async () => {
    const settings = {
      network: { allowedDomains: ['one.test', 'three.test'], tlsTerminate: {} },
      credentials: { envVars: [{ name: 'TOKEN', mode: 'mask', injectHosts: ['one.test'] }] },
    };
    const ask = ['one', 'three'].map(
      (host) => `curl -sS -m 5 -H "Authorization: Bearer $TOKEN" https://${host}.test/`,
    );
    const { seen, stdout } = await world.run(
      ['sh', '-c', `echo "$TOKEN"; ${ask.join('; ')}`],
      policyOf(settings),
      { TOKEN: 'the-real-value' },
    );
    assert.match(stdout, /^caisson-secret-[0-9a-f]{32}\n/);
    assert.deepEqual(
      seen.requests.map(({ host, token }) => [
        host,
        token === 'Bearer the-real-value',
        token.includes('real'),
      ]),
      [
        ['one.test', true, true],
        ['three.test', false, false],
      ],
    );
  });
});
