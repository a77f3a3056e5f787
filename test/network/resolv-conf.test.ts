import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatNameServer } from '../../src/network/name-server-address.ts';
import { parseResolvConf, ResolvConf } from '../../src/network/resolv-conf.ts';

function serversIn(text: string): string[] {
  return parseResolvConf(text).servers.map(formatNameServer);
}

test('servers, in order, three of them; lines that mean nothing are passed over', () => {
  assert.deepEqual(
    serversIn(
      [
        '# made by hand',
        'search example.org',
        'nameserver 192.0.2.1 # the first',
        '\tnameserver\t2001:db8::1',
        'nameserver not.an.address',
        'nameserver',
        ';nameserver 192.0.2.9',
        'nameserver fe80::1%eth0',
        'nameserver 192.0.2.4',
      ].join('\n'),
    ),
    ['192.0.2.1:53', '[2001:db8::1]:53', '[fe80::1%eth0]:53'],
  );
});

test('without servers it is the one of this host', () => {
  assert.deepEqual(serversIn(''), ['127.0.0.1:53']);
});

test('options, within the bounds of the C library', () => {
  const { timeoutMs, attempts, rotate } = parseResolvConf('options timeout:1 attempts:4 rotate');
  assert.deepEqual([timeoutMs, attempts, rotate], [1000, 4, true]);
  const far = parseResolvConf('options timeout:600 attempts:99 ndots:5 timeout:x edns0');
  assert.deepEqual([far.timeoutMs, far.attempts, far.rotate], [30_000, 5, false]);
  const none = parseResolvConf('options timeout:0 attempts:0');
  assert.deepEqual([none.timeoutMs, none.attempts], [1000, 1]);
});

test('a changed file holds two seconds later at the latest; one that is gone changes nothing', () => {
  const directory = mkdtempSync(join(tmpdir(), 'resolv-'));
  try {
    const path = join(directory, 'resolv.conf');
    const write = (text: string): void => {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    };
    let nowMs = 0;
    const file = new ResolvConf(path, () => nowMs);
    const servers = (): string[] => file.current().servers.map(formatNameServer);
    assert.deepEqual(servers(), ['127.0.0.1:53']);
    write('nameserver 192.0.2.1\n');
    nowMs += 2000;
    assert.deepEqual(servers(), ['192.0.2.1:53']);
    const before = file.current();
    nowMs += 2000;
    assert.equal(file.current(), before, 'the same value while nothing changes');
    write('nameserver 192.0.2.2\n');
    assert.deepEqual(servers(), ['192.0.2.1:53']);
    nowMs += 2000;
    assert.deepEqual(servers(), ['192.0.2.2:53']);
    rmSync(path);
    nowMs += 2000;
    assert.deepEqual(servers(), ['192.0.2.2:53']);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
