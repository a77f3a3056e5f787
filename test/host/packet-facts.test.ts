/** Routes of the host, as its kernel shows them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRoutes } from '../../src/host/packet-facts.ts';

const HEAD =
  'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';

test('routes come with the longest prefix first, without those that refuse', () => {
  const text = `${HEAD}eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0
tun0\t0000010A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
*\t0000A8C0\t00000000\t0200\t0\t0\t0\t0000FFFF\t0\t0\t0
down\t000210AC\t00000000\t0000\t0\t0\t0\t00FFFFFF\t0\t0\t0
`;
  assert.deepEqual(parseRoutes(text), [
    { to: '10.1.0.0/16', interface: 'tun0' },
    { to: '10.0.0.0/8', interface: 'eth0' },
    { to: '0.0.0.0/0', interface: 'eth0' },
  ]);
  assert.deepEqual(parseRoutes(''), []);
});
