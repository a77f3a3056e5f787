/** Where a request comes from, behind proxies and those who say that they are behind some. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ClientAddresses, type TrustedProxies } from '../../../src/server/http/client-address.ts';
import { newKeyId, newToken } from '../../../src/server/security/key-token.ts';
import { served } from '../served.ts';

const of = (
  trustedProxies: readonly string[],
  remoteAddress: string | undefined,
  lines: readonly string[],
  proxyHeader: TrustedProxies['proxyHeader'] = 'x-forwarded-for',
  name = 'X-Forwarded-For',
): string =>
  new ClientAddresses({ trustedProxies, proxyHeader }).of({
    rawHeaders: ['Host', 'a', ...lines.flatMap((line) => [name, line])],
    socket: { remoteAddress },
  });

describe('the address of a client', () => {
  test('is that of its connection where no proxy is trusted, whatever it says', () => {
    for (const line of ['198.51.100.1', '127.0.0.1', '', 'x'.repeat(9000)]) {
      assert.equal(of([], '192.0.2.1', [line]), '192.0.2.1');
      assert.equal(of(['192.0.2.0/31', 'unix'], '192.0.2.9', [line]), '192.0.2.9');
    }
    assert.equal(of(['192.0.2.1'], undefined, ['198.51.100.1']), '');
    assert.equal(of(['0.0.0.0/0'], '2001:db8::1', ['198.51.100.1']), '2001:db8::1');
  });

  test('is the rightmost that no trusted proxy has: what stands left of it is its own word', () => {
    const proxies = ['10.0.0.0/8', '2001:db8:1::/48'];
    for (const [lines, found] of [
      [['198.51.100.1'], '198.51.100.1'],
      [['203.0.113.9, 198.51.100.1'], '198.51.100.1'],
      [['203.0.113.9', '198.51.100.1'], '198.51.100.1'],
      [['10.0.0.7, 198.51.100.1, 10.2.2.2'], '198.51.100.1'],
      [['198.51.100.1,10.3.3.3', '2001:db8:1::5'], '198.51.100.1'],
      [['198.51.100.1:4711'], '198.51.100.1'],
      [['2001:db8::7'], '2001:db8::7'],
      [['[2001:db8::7]:80'], '2001:db8::7'],
      [['::ffff:198.51.100.1'], '198.51.100.1'],
      [['10.9.9.9'], '10.9.9.9'],
      [[], '10.0.0.1'],
      // Nobody knows who is behind these.
      [['198.51.100.1, unknown'], '10.0.0.1'],
      [['198.51.100.1, _hidden, 10.2.2.2'], '10.2.2.2'],
      [['198.51.100.1,'], '10.0.0.1'],
      [['010.1.1.1'], '10.0.0.1'],
      [['1.2.3'], '10.0.0.1'],
      [['198.51.100.1 10.2.2.2'], '10.0.0.1'],
      [['fe80::1%eth0'], '10.0.0.1'],
    ] as const) {
      assert.equal(of(proxies, '10.0.0.1', lines), found, String(lines));
      assert.equal(of(proxies, '::ffff:10.0.0.1', lines) === found || found === '10.0.0.1', true);
    }
    assert.equal(of(['unix'], undefined, ['203.0.113.9, 198.51.100.1']), '198.51.100.1');
  });

  test('is read from one header alone, the one that the proxies write', () => {
    const proxies = ['10.0.0.0/8'];
    const forwarded = (...lines: readonly string[]) =>
      of(proxies, '10.0.0.1', lines, 'forwarded', 'Forwarded');
    for (const [line, found] of [
      ['for=198.51.100.1', '198.51.100.1'],
      ['For="[2001:db8::7]:4711";proto=https;by=10.0.0.1', '2001:db8::7'],
      ['for=203.0.113.9;host=a, proto=http; for=198.51.100.1 , for=10.1.1.1', '198.51.100.1'],
      ['for=198.51.100.1;for=203.0.113.9', '10.0.0.1'],
      ['for=198.51.100.1, proto=https', '10.0.0.1'],
      ['for=unknown', '10.0.0.1'],
      ['by="a,for=203.0.113.9', '203.0.113.9'],
      // A proxy that repeats what its client says.
      ['for=198.51.100.1;host="a,for=203.0.113.9"', '10.0.0.1'],
      ['for=198.51.100.1;host="a,for=203.0.113.9;b="', '10.0.0.1'],
      ['for=198.51.100.1;host="a,for=203.0.113.9;b=\\"c\\""', '10.0.0.1'],
    ] as const) {
      assert.equal(forwarded(line), found, line);
    }
    assert.equal(forwarded('for=203.0.113.9', 'for=198.51.100.1'), '198.51.100.1');
    assert.equal(of(proxies, '10.0.0.1', ['for=198.51.100.1'], undefined, 'Forwarded'), '10.0.0.1');
    assert.equal(of(proxies, '10.0.0.1', ['198.51.100.1'], 'forwarded'), '10.0.0.1');
  });
});

describe('wrong credentials', () => {
  const flood = async (
    service: Awaited<ReturnType<typeof served>>,
    headers: (i: number) => Readonly<Record<string, string>>,
  ): Promise<Set<number>> => {
    const found = new Set<number>();
    for (let i = 0; i < 30; i++) {
      const key = newToken(newKeyId());
      found.add((await service.ask('GET', '/api/sandboxes', { key, headers: headers(i) })).status);
    }
    return found;
  };
  const from = (address: string) => () => ({ 'x-forwarded-for': address });

  test('behind a trusted proxy are counted by client, and a client that makes others up gains nothing', async () => {
    await using service = await served({
      listen: { trustedProxies: ['127.0.0.1'] },
      audit: { enabled: false },
    });
    // The proxy adds the real one at the right.
    const spoofing = (i: number) => ({ 'x-forwarded-for': `203.0.113.${i}, 198.51.100.1` });
    assert.deepEqual(await flood(service, spoofing), new Set([401, 429]));
    const key = newToken(newKeyId());
    const headers = from('198.51.100.2')();
    assert.equal((await service.ask('GET', '/api/sandboxes', { key, headers })).status, 401);
    const again = from('198.51.100.1')();
    // Every two seconds it may try once more.
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++)
      statuses.push((await service.ask('GET', '/api/sandboxes', { key, headers: again })).status);
    assert.ok(statuses.includes(429), `${statuses}`);
  });

  test('without one are counted by connection, whatever they say', async () => {
    await using service = await served({ audit: { enabled: false } });
    const spoofing = (i: number) => ({
      'x-forwarded-for': `198.51.100.${i}`,
      forwarded: `for=198.51.100.${i}`,
    });
    assert.deepEqual(await flood(service, spoofing), new Set([401, 429]));
  });
});

test('what is no address of a proxy is refused', async () => {
  for (const [each, says] of [
    ['10.1.2.3/8', /10\.0\.0\.0\/8/],
    ['proxy.example.org', /10\.0\.0\.0\/8 or unix/],
    ['*', /unix/],
  ] as const) {
    await assert.rejects(served({ listen: { trustedProxies: [each] } }), (error: Error) => {
      assert.match(JSON.stringify(error), says);
      return (error as { code?: string }).code === 'CONFIG_INVALID';
    });
  }
});
