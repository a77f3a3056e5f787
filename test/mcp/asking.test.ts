/**
 * A model that is refused a destination, asks for it, and is granted it by a person or a rule, or is not. What counts is
 * what the servers of the small internet saw.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readLog } from '../../src/index.ts';
import { makePlace, type Place } from '../cli/caisson.ts';
import { WorldClient } from '../e2e/network/world-client.ts';
import type { Seen, Step } from './asking-program.ts';

const rootless = process.getuid?.() === 0 ? false : 'needs root';
const skip =
  spawnSync('sh', ['-c', 'command -v curl']).status === 0 ? rootless : 'curl is not installed';
const program = fileURLToPath(new URL('asking-program.ts', import.meta.url));

describe('asking for network', { skip }, () => {
  let world: WorldClient;
  let place: Place;
  before(async () => {
    place = makePlace();
    world = await WorldClient.start();
  });
  after(async () => {
    await world.stop();
    place[Symbol.dispose]();
  });

  async function agent(
    args: readonly string[],
    answers: readonly string[] | null,
    steps: readonly Step[],
  ): Promise<Seen & { readonly requests: readonly string[]; readonly names: readonly string[] }> {
    const run = await world.onHost({
      argv: [process.execPath, program, JSON.stringify({ args, answers, steps })],
      cwd: place.work,
      env: place.environment as Record<string, string>,
    });
    assert.equal(run.code, 0, run.stderr);
    const { requests, names } = run.seen;
    return {
      ...(JSON.parse(run.stdout) as Seen),
      requests: requests.map(({ host, path }) => host + path),
      names,
    };
  }

  test('refused with a reason, asked, granted by the person, and recorded', async () => {
    const audit = join(place.work, 'audit');
    const seen = await agent(
      ['--ask', '--audit', audit],
      ['allow'],
      [
        { fetch: 'http://three.test/before' },
        { ask: 'three.test', reason: 'the page\nis needed\u202e' },
        { fetch: 'http://three.test/after' },
        { fetch: 'http://one.test/other' },
        { ask: 'three.test' },
      ],
    );
    const [before, asked, after, other, again] = seen.steps;
    assert.notEqual(before?.code, 0);
    assert.match(before?.text ?? '', /Refused \(network\): three\.test is not allowed/);
    assert.match(
      before?.next?.[0] ?? '',
      /call request_network with \{"sandbox": "sandbox-1", "host": "three\.test", "port": \d+/,
    );
    assert.deepEqual([asked?.granted, asked?.by], [true, 'person']);
    assert.equal(after?.stdout, 'this is three.test/after\n');
    assert.notEqual(other?.code, 0, 'a yes opens one destination');
    assert.deepEqual([again?.granted, again?.by], [true, 'policy']);
    assert.deepEqual(seen.requests, ['three.test/after']);
    assert.equal(seen.questions.length, 1);
    assert.match(
      seen.questions[0] ?? '',
      /sandbox-1 wants to connect to three\.test:80\.\n.*unchecked: "the page\\nis needed\\u\{202e\}"\n/,
    );
    const records = [...readLog(audit)];
    const request = records.find(
      ({ event, details }) => event === 'network' && details.rule === 'mcp.request:person',
    );
    assert.equal(request?.details.allowed, true);
    assert.equal(request?.tenant, 'mcp/stdio/0');
    const states = records.filter(({ event }) => event === 'state');
    assert.deepEqual(
      states.map(({ details }) => details.state),
      ['SessionOpened', 'Initializing', 'Running', 'Completed', 'SessionClosed'],
    );
    assert.match(states[0]?.run ?? '', /^session-[0-9a-f]{32}$/);
    const changed = records.find(({ event }) => event === 'network-changed');
    assert.equal(changed?.tenant, request?.tenant);
    assert.equal(changed?.run, request?.run);
    assert.ok(records.some(({ event, tenant }) => event === 'ended' && tenant === request?.tenant));
  });

  test('anything but a clear yes is a no, and a no is not asked again', async () => {
    const hosts = ['one.test', 'two.test', 'three.test', 'moved.test'];
    const seen = await agent(
      ['--ask'],
      ['refuse', 'decline', 'odd', 'cancel', 'cancel'],
      [
        ...hosts.map((ask) => ({ ask })),
        ...hosts.map((ask) => ({ ask })),
        ...hosts.map((host) => ({ fetch: `http://${host}/` })),
      ],
    );
    const decided = seen.steps.slice(0, 8).map(({ granted, by }) => [granted, by]);
    assert.deepEqual(decided.slice(0, 2), [
      [false, 'person'],
      [false, 'person'],
    ]);
    assert.ok(decided.every(([granted]) => granted === false));
    // Three that were refused or were no answer, and the one that was put off, twice.
    const asked = seen.questions.map((message) => /connect to (\S+):80\./.exec(message)?.[1]);
    assert.deepEqual(asked.slice(0, 4), hosts);
    assert.ok(!asked.slice(4).includes('one.test') && !asked.slice(4).includes('two.test'));
    assert.ok(asked.slice(4).includes('moved.test'));
    assert.deepEqual(seen.requests, []);
    assert.deepEqual(seen.names, []);
  });

  test('rules answer where nobody can be asked; what they do not name is refused', async () => {
    const rules = join(place.work, 'rules.yaml');
    writeFileSync(rules, 'allow: ["one.test:80"]\ndeny: ["two.test:*"]\n');
    const args = ['--ask', '--allow-ask', 'moved.test:80', '--ask-rules', rules];
    const seen = await agent(args, null, [
      { ask: 'one.test' },
      { ask: 'two.test' },
      { ask: 'three.test' },
      { ask: 'moved.test' },
      { ask: 'moved.test', port: 443 },
      { fetch: 'http://one.test/rule' },
      { fetch: 'http://two.test/rule' },
      { fetch: 'http://moved.test/flag' },
    ]);
    assert.deepEqual(
      seen.steps.slice(0, 5).map(({ granted, by }) => [granted, by]),
      [
        [true, 'rule'],
        [false, 'rule'],
        [false, 'nobody'],
        [true, 'rule'],
        [false, 'nobody'],
      ],
    );
    assert.deepEqual(seen.requests, ['one.test/rule', 'moved.test/flag']);
  });

  test('a yes does not lift what the policy denies, nor lead inside', async () => {
    const policy = join(place.work, 'policy.yaml');
    writeFileSync(
      policy,
      'level: strict\nnetwork:\n  allow: ["one.test:80"]\n  deny: ["two.test:*"]\n',
    );
    const seen = await agent(
      ['--policy', policy, '--ask'],
      ['allow', 'allow'],
      [
        { ask: 'two.test' },
        { ask: 'inner.test' },
        { fetch: 'http://two.test/denied' },
        { fetch: 'http://inner.test/inside' },
        { fetch: 'http://one.test/own' },
      ],
    );
    assert.deepEqual([seen.steps[0]?.granted, seen.steps[0]?.by], [false, 'policy']);
    assert.equal(seen.questions.length, 1);
    assert.deepEqual(seen.requests, ['one.test/own']);
  });
});
