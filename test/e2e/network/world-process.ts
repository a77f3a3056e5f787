/** Stands in a network namespace of its own: the small internet, and a Caisson that runs guests in reach of it. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Caisson } from '../../../src/compose.ts';
import type { Outcome } from '../../../src/core/outcome.ts';
import type { ObservedEvent } from '../../../src/core/ports.ts';
import type { Ask } from '../../../src/network/questions.ts';
import { NAME_SERVER, type Seen, startWorld } from './world.ts';
import type { WorldReply, WorldRequest } from './world-client.ts';
import { runOnHost } from './world-host.ts';

const world = await startWorld();
const events: ObservedEvent[] = [];
const caisson = await Caisson.open({
  nameServers: [NAME_SERVER],
  stateDirectory: process.argv[2] as string,
  observer: (event) => events.push(event),
});
// What is known of the host does not change: later runs are as quick as they will be.
await caisson.facts();

process.on('message', (request: WorldRequest) => {
  carryOut(request).then(
    (reply) => process.send?.({ number: request.number, ...reply }),
    (error: Error) => process.send?.({ number: request.number, error: String(error.stack) }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.({ roots: world.roots });

async function carryOut(request: WorldRequest): Promise<Omit<WorldReply, 'number'>> {
  if (request.point !== undefined) world.point(...request.point);
  const before = counts();
  if (request.host !== undefined) {
    const ended = await runOnHost(request.host, process.argv[2] as string);
    return { hostRun: { ...ended, seen: since(before) } };
  }
  if (request.argv === undefined) return {};
  const told = events.length;
  const asked: string[] = [];
  const { outcome, stdout, stderr } = await guest(request.argv, request, asked);
  const { kind, code, violations, usage } = outcome;
  const seen = since(before);
  return {
    asked,
    run: {
      kind,
      code,
      stdout,
      stderr,
      violations,
      usage,
      seen,
      events: events.slice(told),
    },
  };
}

interface Heard {
  readonly outcome: Outcome;
  readonly stdout: string;
  readonly stderr: string;
}

async function guest(
  argv: readonly string[],
  { policy, secrets, how, then, answer }: WorldRequest,
  asked: string[],
): Promise<Heard> {
  const place = {
    policy,
    ...(secrets === undefined ? {} : { secrets }),
    ...(answer === undefined ? {} : { ask: answering(answer, asked) }),
    ...(needsWorkspace(policy) ? { workspace: makeWorkspace() } : {}),
  };
  if (how === undefined || how === 'run') {
    return heard(await caisson.run(argv, { ...place, timeoutMs: 20_000 }));
  }
  if (how === 'spawn') {
    const process = await caisson.spawn(argv, { ...place, timeoutMs: 20_000 });
    const text = { stdout: '', stderr: '' };
    for await (const { stream, data } of process) text[stream] += data;
    return { outcome: await process.outcome, ...text };
  }
  await using sandbox = await caisson.create(place);
  if (how === 'shell') {
    const { stdout } = await sandbox.shell().run(argv.map((word) => `'${word}'`).join(' '));
    return { ...heard(await sandbox.exec(['true'])), stdout: stdout.text };
  }
  const outcome = await sandbox.exec(argv);
  if (then !== undefined) {
    const changed = await caisson.policy({
      level: 'strict',
      network: { mode: 'filtered', allow: [...then.allow] },
    });
    await sandbox.updateNetwork(changed.policy.network);
    return heard(await sandbox.exec(then.argv));
  }
  if (how === 'exec') return heard(outcome);
  const copy = `${process.argv[2]}.copy`;
  await sandbox.files.download('/tmp/out', copy);
  const stdout = `${await sandbox.files.readText('/tmp/out')}${readFileSync(copy, 'utf8')}`;
  rmSync(copy);
  return { ...heard(outcome), stdout };
}

function answering({ allow, afterMs }: NonNullable<WorldRequest['answer']>, asked: string[]): Ask {
  return async ({ destination }) => {
    asked.push(destination);
    await sleep(afterMs);
    return { allow };
  };
}

/** The level itself names paths below one. */
function needsWorkspace(policy: WorldRequest['policy']): boolean {
  return typeof policy === 'object' && 'level' in policy && policy.level === 'moderate';
}

function makeWorkspace(): string {
  const path = `${process.argv[2]}.work`;
  mkdirSync(path, { recursive: true });
  return path;
}

function heard(outcome: Outcome): Heard {
  return { outcome, stdout: outcome.stdout.text, stderr: outcome.stderr.text };
}

function since(before: Record<keyof Seen, number>): Seen {
  return {
    requests: world.seen.requests.slice(before.requests),
    names: world.seen.names.slice(before.names),
    strays: world.seen.strays.slice(before.strays),
    datagrams: world.seen.datagrams.slice(before.datagrams),
  };
}

function counts(): Record<keyof Seen, number> {
  const { requests, names, strays, datagrams } = world.seen;
  return {
    requests: requests.length,
    names: names.length,
    strays: strays.length,
    datagrams: datagrams.length,
  };
}
