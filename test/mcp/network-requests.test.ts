/** Who decides about a destination that a model asks for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AskPerson,
  NetworkRequests,
  type PersonAnswer,
} from '../../src/mcp/network-requests.ts';
import { NetworkRuleBook, parseNetworkRules } from '../../src/mcp/network-rule-book.ts';
import { parseDestination } from '../../src/policy/destination.ts';
import type { NetworkPolicy } from '../../src/policy/policy.ts';

function network(allow: readonly string[] = [], deny: readonly string[] = []): NetworkPolicy {
  const rules = (texts: readonly string[]) => texts.map(parseDestination);
  return { mode: 'filtered', allow: rules(allow), deny: rules(deny), listen: [] };
}

const asking = (person: boolean, allow: readonly string[] = [], deny: readonly string[] = []) =>
  new NetworkRequests({ person, rules: new NetworkRuleBook(allow, deny) });

function personWho(answers: PersonAnswer[]): { ask: AskPerson; asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    ask: async (destination) => {
      asked.push(destination);
      return answers.shift() ?? { kind: 'refuse' };
    },
  };
}

const request = (host: string, port = 443) => ({ host, port, reason: 'needed' });

test('what the policy allows is not asked, and what it denies is not either', async () => {
  const { ask, asked } = personWho([]);
  const policy = network(['pypi.org', '*.example.org:80'], ['bad.example.org:*', '9.9.9.0/24:*']);
  const requests = asking(true);
  const known = await requests.decide(request('PyPI.org'), policy, ask);
  assert.deepEqual([known.granted, known.by, known.isKnown], [true, 'policy', true]);
  for (const host of ['bad.example.org', '9.9.9.9']) {
    const denied = await requests.decide(request(host, 8080), policy, ask);
    assert.deepEqual([denied.granted, denied.by], [false, 'policy'], host);
  }
  assert.deepEqual(asked, []);
});

test('rules answer first: deny wins, allow grants, the rest is the person’s', async () => {
  const { ask, asked } = personWho([{ kind: 'allow' }]);
  const requests = asking(true, ['*.example.org', '*:8443'], ['no.example.org:*']);
  const decide = (host: string, port?: number) =>
    requests.decide(request(host, port), network(), ask);
  assert.deepEqual(await told(decide('yes.example.org')), [true, 'rule']);
  assert.deepEqual(await told(decide('no.example.org')), [false, 'rule']);
  assert.deepEqual(await told(decide('any.test', 8443)), [true, 'rule']);
  assert.deepEqual(asked, []);
  // `*` is any name and no address, as in a policy.
  assert.deepEqual(await told(decide('8.8.8.8', 8443)), [true, 'person']);
  assert.deepEqual(asked, ['8.8.8.8:8443']);
});

test('without rule, leave or client nobody says yes', async () => {
  const { ask, asked } = personWho([{ kind: 'allow' }]);
  const silent = await asking(false).decide(request('pypi.org'), network(), ask);
  assert.deepEqual([silent.granted, silent.by], [false, 'nobody']);
  assert.match(silent.reason, /--ask/);
  const mute = await asking(true).decide(request('pypi.org'), network(), undefined);
  assert.deepEqual([mute.granted, mute.by], [false, 'nobody']);
  assert.match(mute.reason, /elicitation/);
  assert.deepEqual(asked, []);
  const none: NetworkPolicy = { mode: 'none', allow: [], deny: [], listen: [] };
  assert.deepEqual(await told(asking(true).decide(request('a.test'), none, ask)), [
    false,
    'policy',
  ]);
});

test('a no is remembered, silence is not, and a person is not worn down', async () => {
  const { ask, asked } = personWho([{ kind: 'refuse' }, { kind: 'silent', why: 'away' }]);
  const requests = asking(true);
  const decide = (host: string) => requests.decide(request(host), network(), ask);
  await decide('one.test');
  const again = await decide('one.test');
  assert.match(again.reason, /refused it before/);
  assert.equal((await decide('two.test')).reason, 'away');
  await decide('two.test');
  assert.deepEqual(asked, ['one.test:443', 'two.test:443', 'two.test:443']);
  for (let at = 0; at < 40; at++) await decide(`host-${at}.test`);
  assert.equal(asked.length, 20);
});

test('one question at a time, and of one destination one', async () => {
  const waiting: { destination: string; answer: (answer: PersonAnswer) => void }[] = [];
  const ask: AskPerson = (destination) =>
    new Promise((answer) => waiting.push({ destination, answer }));
  const requests = asking(true);
  const decisions = ['a.test', 'b.test', 'a.test'].map((host) =>
    requests.decide(request(host), network(), ask),
  );
  await new Promise(setImmediate);
  assert.deepEqual(
    waiting.map(({ destination }) => destination),
    ['a.test:443'],
  );
  waiting[0]?.answer({ kind: 'allow' });
  await decisions[0];
  await new Promise(setImmediate);
  assert.equal(waiting.length, 2);
  waiting[1]?.answer({ kind: 'refuse' });
  const granted = (await Promise.all(decisions)).map((decision) => decision.granted);
  assert.deepEqual(granted, [true, false, true]);
});

test('only one public host can be asked for', async () => {
  const { ask, asked } = personWho([]);
  const requests = asking(true, ['*', '0.0.0.0/0', '::/0']);
  const hosts = [
    '*',
    '*.org',
    'a.test:80',
    'http://a.test',
    'a.test/path',
    'a.test,b.test',
    'a test',
    'a.test\0',
    'user@a.test',
    '10.0.0.0/8',
    '[::1]',
    '::1',
    '127.0.0.1',
    '127.1',
    '0x7f000001',
    '2130706433',
    '169.254.169.254',
    '192.168.1.1',
    '::ffff:10.0.0.1',
    'fe80::1%eth0',
    '-a.test',
    '',
    '.',
    'é.test',
  ];
  for (const host of hosts) {
    await assert.rejects(
      requests.decide(request(host), network(), ask),
      (error: { code: string }) => ['REQUEST_INVALID', 'POLICY_INVALID'].includes(error.code),
      JSON.stringify(host),
    );
  }
  assert.deepEqual(asked, []);
});

test('a file of rules is strict', async () => {
  const rules = await parseNetworkRules('allow: [pypi.org]\ndeny: ["*.bad.test:*"]\n', 'rules', [
    'more.test',
  ]);
  const answer = (host: string, port = 443) => rules.answer({ host, port, protocol: 'tcp' });
  assert.deepEqual(
    [answer('pypi.org'), answer('pypi.org', 80), answer('a.bad.test', 1), answer('more.test')],
    ['allow', undefined, 'deny', 'allow'],
  );
  for (const text of ['alow: [a]', 'allow: pypi.org', 'allow: ["http://x"]', '- a', '{']) {
    await assert.rejects(
      parseNetworkRules(text, 'rules'),
      (error: { code: string }) => error.code === 'CONFIG_INVALID',
      text,
    );
  }
});

async function told(decision: Promise<{ granted: boolean; by: string }>) {
  const { granted, by } = await decision;
  return [granted, by];
}
