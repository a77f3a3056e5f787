import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Judge } from '../../src/network/judge.ts';
import { filtered } from './judge-parts.ts';

test('rules that change while a name is looked up hold for the connection that waited for it', async () => {
  const found = Promise.withResolvers<void>();
  const judge = new Judge({
    policy: filtered(['good.example']),
    report: () => {},
    lookUp: async () => {
      await found.promise;
      return { kind: 'addresses', addresses: [{ address: '203.0.113.1', ttlSeconds: 60 }] };
    },
  });
  const facts = { address: '203.0.113.1', port: 443, speaks: 'tls', name: 'good.example' } as const;
  const waiting = judge.connection(facts);
  judge.update(filtered(['good.example'], ['203.0.113.0/24:443']));
  found.resolve();
  const judgement = await waiting;
  assert.equal(judgement.allowed, false);
  assert.match(judgement.reason, /denied/);
});
