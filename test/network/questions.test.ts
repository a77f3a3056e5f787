/** Questions that a guest can cause: how many, and what an answer to them opens. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type NetworkAnswer,
  type NetworkQuestion,
  Questions,
} from '../../src/network/questions.ts';
import { parseDestination } from '../../src/policy/destination.ts';
import { filtered } from './judge-parts.ts';

const rule = (at: number | string) => parseDestination(`host-${at}.example:443`);

test('a guest that asks without end is a no from some time on, and nobody is asked twice', async () => {
  const asked: NetworkQuestion[] = [];
  const questions = new Questions(async (question) => {
    asked.push(question);
    return { allow: false };
  });
  for (let at = 0; at < 5000; at++) {
    assert.equal(await questions.put(`${at}`, rule(at % 2500), 'not allowed'), false);
  }
  assert.ok(asked.length >= 256 && asked.length < 600, `${asked.length}`);
  assert.equal(new Set(asked.map(({ destination }) => destination)).size, asked.length);
});

test('those that wait for their answers are few, and of one destination there is one', async () => {
  const waiting: ((answer: NetworkAnswer) => void)[] = [];
  const questions = new Questions(() => new Promise((resolve) => waiting.push(resolve)));
  const first = Array.from({ length: 16 }, (_, at) => questions.put('', rule(at), ''));
  const again = Array.from({ length: 16 }, (_, at) => questions.put('', rule(at), ''));
  assert.equal(await questions.put('', rule('more'), ''), false);
  assert.equal(waiting.length, 16);
  for (const answer of waiting) answer({ allow: true });
  assert.deepEqual(await Promise.all([...first, ...again]), Array(32).fill(true));
});

test('an answer opens what was asked for and no more; what is no clear yes is a no', async () => {
  const policy = filtered([]);
  const odd = [
    undefined,
    { allow: 'yes' },
    { allow: 1 },
    { allow: false, remember: true, destination: '*:*' },
  ] as unknown as NetworkAnswer[];
  for (const answer of odd) {
    const questions = new Questions(async () => answer);
    assert.equal(await questions.put('x', rule('x'), ''), false);
    assert.deepEqual(questions.extend(policy), policy);
  }
  const wide = { allow: true, destination: '*:*', host: '*' } as NetworkAnswer;
  const questions = new Questions(async () => wide);
  assert.equal(await questions.put('x', rule('x'), ''), true);
  assert.deepEqual(questions.extend(policy).allow, [rule('x')]);
});

test('who fails to answer has not said yes, and is asked again', async () => {
  let asked = 0;
  const questions = new Questions(async () => {
    asked++;
    throw new Error('closed');
  });
  await assert.rejects(questions.put('x', rule('x'), ''));
  await assert.rejects(questions.put('x', rule('x'), ''));
  assert.equal(asked, 2);
  assert.deepEqual(questions.extend(filtered([])), filtered([]));
});
