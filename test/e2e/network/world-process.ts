/** Stands in a network namespace of its own: the small internet, and a Caisson that runs guests in reach of it. */
import { Caisson } from '../../../src/compose.ts';
import type { ObservedEvent } from '../../../src/core/ports.ts';
import { NAME_SERVER, type Seen, startWorld } from './world.ts';
import type { WorldReply, WorldRequest } from './world-client.ts';

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
  if (request.argv === undefined) return {};
  const before = counts();
  const told = events.length;
  const { secrets } = request;
  const outcome = await caisson.run(request.argv, {
    policy: request.policy,
    ...(secrets === undefined ? {} : { secrets }),
    timeoutMs: 20_000,
  });
  const { kind, code, stdout, stderr, violations, usage } = outcome;
  const seen: Seen = {
    requests: world.seen.requests.slice(before.requests),
    names: world.seen.names.slice(before.names),
    strays: world.seen.strays.slice(before.strays),
  };
  return {
    run: {
      kind,
      code,
      stdout: stdout.text,
      stderr: stderr.text,
      violations,
      usage,
      seen,
      events: events.slice(told),
    },
  };
}

function counts(): { requests: number; names: number; strays: number } {
  const { requests, names, strays } = world.seen;
  return { requests: requests.length, names: names.length, strays: strays.length };
}
