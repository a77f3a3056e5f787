/** A name in a rule, in a query, in a hello, in Host: all readers take it for the same, or refuse it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ClientHelloReader } from '../../src/network/client-hello.ts';
import { hostOfRequest } from '../../src/network/http-host.ts';
import { meansName } from '../../src/network/intercept/request-target.ts';
import { compileRules } from '../../src/policy/decide-connection.ts';
import { parseDestination } from '../../src/policy/destination.ts';
import { hostName } from '../../src/policy/host-name.ts';
import { clientHello, records, serverName } from './hello-bytes.ts';
import { filtered } from './judge-parts.ts';

// Beyond ASCII: the Kelvin sign, a long s, full-width dots and letters, a soft hyphen, a letter with a sign.
const signs = [
  ...'aBkKsz019-_.'.repeat(3),
  ...'\u212a\u017f\uff0e\u3002\uff41\u00ad\u00fc\0 %@*/:[]',
];
const text = fc
  .array(fc.constantFrom(...signs), { minLength: 1, maxLength: 12 })
  .map((each) => each.join(''));

function ruleOf(name: string): string | undefined {
  try {
    const { host } = parseDestination(name);
    return host.includes('*') || host.includes('/') ? undefined : host;
  } catch {
    return undefined;
  }
}

test('a rule takes a name for what a connection takes it for', () => {
  fc.assert(
    fc.property(text, (written) => {
      const rule = ruleOf(written);
      const name = hostName(written);
      if (rule !== undefined) assert.equal(hostName(rule), rule, 'its own form');
      if (rule !== undefined && !/[:[\]]/.test(written)) assert.equal(name, rule);
      if (name !== undefined) assert.equal(rule, name);
      if (/[^!-~]/.test(written)) assert.deepEqual([rule, name], [undefined, undefined]);
    }),
    { numRuns: 5000 },
  );
});

test('a request, a hello and a query that are for an allowed name are for that name alone', () => {
  const rules = compileRules(filtered(['kas.example:*']));
  const near = fc
    .tuple(fc.constantFrom('kas', 'KAS', '\u212aas', 'ka\u017f', 'kas\u00ad', 'kas_', '-kas'), text)
    .chain(([first, more]) =>
      fc.constantFrom(
        `${first}.example`,
        `${first}.EXAMPLE.`,
        `${first}.example..`,
        `${first}\uff0eexample`,
        `${first}.example${more}`,
        `${more}${first}.example`,
      ),
    );
  fc.assert(
    fc.property(near, (written) => {
      const facts = { port: 443, protocol: 'tcp', address: '203.0.113.1' } as const;
      const same = /^kas\.example\.?$/i.test(written) && !/[^!-~]/.test(written);
      assert.equal(rules.decideName(written).allowed, same, 'query');
      const sent = Buffer.from(written, 'utf8').toString('latin1');
      const means = meansName(sent, 'kas.example', 443);
      assert.ok(!means || /^kas\.example\.?(:\d+)?$/i.test(written), 'authority');
      assert.ok(!same || means);
      const found = hostOfRequest(Buffer.from(`GET / HTTP/1.1\r\nHost: ${written}\r\n\r\n`));
      const host = found.kind === 'host' ? found.host : undefined;
      const asHttp = rules.decideConnection({ ...facts, speaks: 'http', name: host });
      assert.equal(asHttp.allowed, /^kas\.example\.?(:\d{1,5})?$/i.test(written.trim()), 'Host');
      const bytes = Buffer.from(written);
      if (bytes.length === 0 || bytes.length > 255) return;
      const state = new ClientHelloReader().push(records(clientHello(serverName(bytes))));
      const sni = state.kind === 'hello' ? state.hello.serverName : undefined;
      const asTls = rules.decideConnection({ ...facts, speaks: 'tls', name: sni });
      assert.equal(asTls.allowed, same, 'SNI');
    }),
    { numRuns: 5000 },
  );
});

test('the Kelvin sign is no k, in a rule neither', () => {
  for (const written of ['\u212aas.example', '*.\u212a.example', 'x.example:\u212a']) {
    assert.throws(() => parseDestination(written), { code: 'POLICY_INVALID' });
  }
});

test('names of 253 characters are names, of 254 are not, whoever reads', () => {
  const long = `${'a.'.repeat(126)}b`;
  assert.equal(long.length, 253);
  assert.equal(parseDestination(long).host, long);
  assert.equal(hostName(`${long}.`), long);
  assert.equal(hostName(`${long}bb`), undefined);
  assert.throws(() => parseDestination(`${long}bb`), { code: 'POLICY_INVALID' });
});
