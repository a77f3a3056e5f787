/**
 * The network of a policy in its written forms: requests, interception, secrets, groups.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCaissonError } from '../../src/core/error.ts';
import { definePolicy } from '../../src/policy/builder.ts';
import { digestPolicy } from '../../src/policy/digest.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import { showPolicy } from '../../src/policy/show.ts';

describe('the network', () => {
  const wrong: [text: string, problem: string][] = [
    [
      '{allow: [{host: "a.x:80", http: ["GET x"]}]}',
      'p.yaml:1:44: network.allow[0].http[0]: "GET x" is not a rule for requests (write "GET /path/**", or "/path" for any method)',
    ],
    [
      '{allow: [{host: "a.x:80", http: ["get /x"]}]}',
      'p.yaml:1:44: network.allow[0].http[0]: "get" in "get /x" is not a method (did you mean GET?)',
    ],
    [
      '{allow: [{hsot: "a.x:80"}]}',
      'the policy is not valid:\n  p.yaml:1:20: network.allow[0].host: missing\n  p.yaml:1:21: network.allow[0].hsot: unknown key (did you mean host?)',
    ],
    [
      '{allow: [{host: "a.x", http: ["GET /"]}]}',
      'p.yaml:1:40: network.allow[0].http: TLS on port 443 hides requests (add `intercept: true`: the proxy then opens TLS with an authority that this sandbox alone trusts)',
    ],
    [
      '{allow: [{host: "a.x:53/udp", http: ["GET /"]}]}',
      'p.yaml:1:47: network.allow[0].http: requests are made over TCP (take /udp out)',
    ],
    [
      '{allow: [{host: "a.x:80", http: []}]}',
      'p.yaml:1:43: network.allow[0].http: name at least one request',
    ],
    [
      '{allow: [7]}',
      'p.yaml:1:20: network.allow[0]: 7 does not fit here (write host:port, or {host: "host:port", http: ["GET /path/**"]})',
    ],
    ['{deny: [{host: a.x}]}', 'p.yaml:1:19: network.deny[0]: a group of keys is not a string'],
    [
      '{allow: [a.x], secrets: {T: [a.x]}}',
      'p.yaml:1:39: network.secrets.T: a secret is put into requests, which TLS hides (add `intercept: true`: the proxy then opens TLS with an authority that this sandbox alone trusts)',
    ],
    [
      '{allow: [a.x], intercept: true, secrets: {T: [b.x]}}',
      'p.yaml:1:57: network.secrets.T[0]: no rule under allow reaches b.x (add "b.x" to network.allow)',
    ],
    [
      '{allow: ["10.0.0.1"], intercept: true, secrets: {T: [10.0.0.1]}}',
      'p.yaml:1:64: network.secrets.T[0]: "10.0.0.1" is not a name (write a name or *.name, without a port; a secret goes to names alone)',
    ],
    [
      '{allow: [a.x], intercept: true, secrets: {T: {hosts: [a.x], to: b}}}',
      'p.yaml:1:71: network.secrets.T.to: unknown key',
    ],
    [
      '{allow: [a.x], intercept: true, secrets: {LANG: [a.x]}}',
      'p.yaml:1:59: network.secrets.LANG: LANG is also passed by environment.pass (add "!LANG" there)',
    ],
    [
      '{mode: internal}',
      'p.yaml:1:18: network.mode: the mode internal needs a group (add `group: name`; sandboxes of one group reach each other)',
    ],
    [
      '{mode: none, group: g}',
      'p.yaml:1:31: network.group: a group has no meaning in the mode none (write `mode: internal`, or take the group out)',
    ],
    [
      '{mode: full, intercept: true}',
      'p.yaml:1:35: network.intercept: there is nothing to intercept in the mode full (write `mode: filtered`, or `intercept: false`)',
    ],
    [
      '{mode: internal, group: g, allow: [a.x]}',
      'p.yaml:1:18: network.mode: allowed destinations have no meaning in the mode internal (a sandbox is on the network of its group or on a filtered one: take out the destinations, or `mode` and `group`)',
    ],
    [
      '{allow: [a.x], group: g}',
      'p.yaml:1:33: network.group: a group has no meaning in the mode filtered (a sandbox is on the network of its group or on a filtered one: write `mode: internal` without `allow`, or take the group out)',
    ],
  ];
  for (const [text, problem] of wrong) {
    test(`${text} is refused with its place`, () => {
      assert.throws(
        () => parsePolicy(`{network: ${text}}`, { source: 'p.yaml' }),
        (error) => {
          assert.ok(isCaissonError(error));
          assert.equal(error.message, problem);
          return true;
        },
      );
    });
  }

  test('of level paranoid is none', () => {
    assert.throws(
      () => parsePolicy('{level: paranoid, network: {allow: [a.x]}}', { source: 'p.yaml' }),
      {
        message:
          'p.yaml:1:36: network.allow: the level paranoid has no network (choose level strict, or take the network out)',
      },
    );
  });

  test('with requests, secrets and a group keeps its digest through its written form', () => {
    const texts = [
      '{allow: [a.x, {host: "api.x:443", http: ["POST /g", "GET /r/**"]}, {host: "api.x:443", http: [GET /r/s]}], intercept: true, secrets: {T: [api.x], U: {hosts: ["*.x", "a.x"]}}}',
      '{mode: internal, group: g, listen: [80]}',
      '{allow: ["*:443", "10.0.0.0/8:443"]}',
    ];
    for (const text of texts) {
      const policy = parsePolicy(`{network: ${text}}`, { source: 'p.yaml' });
      const again = parsePolicy(showPolicy(policy), { source: 'q.yaml' });
      assert.deepEqual(again.network, policy.network);
      assert.equal(digestPolicy(again), digestPolicy(policy));
    }
    const [first] = texts;
    assert.deepEqual(parsePolicy(`{network: ${first}}`, { source: 'p.yaml' }).network, {
      mode: 'filtered',
      allow: [
        { host: 'a.x', ports: [{ from: 443, to: 443 }], protocol: 'tcp' },
        {
          host: 'api.x',
          ports: [{ from: 443, to: 443 }],
          protocol: 'tcp',
          http: [
            { methods: ['GET'], path: '/r', prefix: true },
            { methods: ['POST'], path: '/g', prefix: false },
          ],
        },
      ],
      deny: [],
      listen: [],
      intercept: true,
      secrets: [
        { name: 'T', hosts: ['api.x'] },
        { name: 'U', hosts: ['*.x', 'a.x'] },
      ],
    });
  });

  test('without the newer fields has the digest that it had before they were', () => {
    const policy = parsePolicy(
      '{network: {allow: [pypi.org, "10.0.0.0/8:22"], deny: ["10.1.0.0/16:*"]}}',
      { source: 'p.yaml' },
    );
    assert.equal(
      digestPolicy(policy),
      'sha256:5e3b3239a4b6ceacde16b8390fcf79f6d9732324ce9c7776761761ad241d5d9a',
    );
  });

  test('is built in TypeScript as well', () => {
    const policy = definePolicy()
      .connect({ host: 'api.x', http: ['GET /**'] }, 'a.x')
      .intercept()
      .secret('T', 'a.x')
      .build();
    assert.equal(policy.network.intercept, true);
    assert.deepEqual(policy.network.secrets, [{ name: 'T', hosts: ['a.x'] }]);
    assert.equal(definePolicy().network('internal', 'g').build().network.group, 'g');
  });
});
