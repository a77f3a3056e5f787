/** What watching a hundred sandboxes costs: CPU of the launcher and of Node together, one sample a second. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Caisson, type PolicyDocument } from '../../src/index.ts';
import { round } from '../report.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

const SANDBOXES = 100;

const policy: PolicyDocument = {
  version: 1,
  level: 'strict',
  limits: { memory: '64MiB', processes: 16 },
};

export const monitor: Suite = { name: 'monitor', run };

async function run(bench: Bench): Promise<SuiteResult> {
  const seconds = bench.quick ? 5 : 30;
  await using caisson = await Caisson.open();
  const guests = await Promise.all(
    Array.from({ length: SANDBOXES }, async () => {
      const sandbox = await caisson.create({ policy });
      return sandbox.spawn(['sleep', '600']);
    }),
  );
  await Promise.all(guests.map(({ started }) => started));
  const launcher = launcherOf();
  await sleep(1000);
  const idle = await cpuDuring(launcher, () => sleep(seconds * 1000));
  using watching = await caisson.monitor();
  const roundTrips: number[] = [];
  for (let i = 0; i < 5; i++) await watching.snapshot();
  const sampled = await cpuDuring(launcher, async () => {
    let samples = 0;
    for await (const { total } of watching.samples({ everyMs: 1000 })) {
      if (total.sandboxes !== SANDBOXES) throw new Error(`${total.sandboxes} in the sample`);
      if (++samples === seconds) break;
    }
  });
  for (let i = 0; i < 100; i++) {
    const start = performance.now();
    await watching.snapshot();
    roundTrips.push(performance.now() - start);
    await sleep(10);
  }
  for (const guest of guests) guest.kill();
  await Promise.all(guests.map(({ outcome }) => outcome));
  const share = (of: 'node' | 'launcher'): number =>
    Math.max(0, sampled[of] / sampled.wallMs - idle[of] / idle.wallMs) * 100;
  const { median, lowerQuartile, upperQuartile } = summarize(roundTrips);
  const both = share('node') + share('launcher');
  return {
    title: `Watching ${SANDBOXES} sandboxes`,
    method: `${SANDBOXES} open sandboxes with a process in each, sampled once a second for ${seconds} s; CPU time of launcher (schedstat) and Node (getrusage) less what they use unwatched.`,
    table: {
      columns: ['', 'measured'],
      rows: [
        ['launcher, % of a core', round(share('launcher'))],
        ['Node, % of a core', round(share('node'))],
        ['one sample, ms', `${round(median)} (${round(lowerQuartile)}–${round(upperQuartile)})`],
      ],
    },
    targets: [
      {
        name: `Sampling ${SANDBOXES} sandboxes once a second`,
        measured: both,
        sense: '<',
        limit: 1,
        unit: '% of a core',
      },
    ],
  };
}

/** The one child of ours that serves. */
function launcherOf(): number {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').split(' ');
  const found = children.find((pid) => {
    if (pid === '') return false;
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[1] === 'serve';
  });
  if (found === undefined) throw new Error('no launcher runs');
  return Number(found);
}

async function cpuDuring(
  launcher: number,
  work: () => Promise<unknown>,
): Promise<{ wallMs: number; node: number; launcher: number }> {
  // proc_pid_schedstat: ns on a CPU, exact where ticks are not.
  const now = (): number =>
    Number(readFileSync(`/proc/${launcher}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  const start = performance.now();
  const [launcherBefore, nodeBefore] = [now(), process.cpuUsage()];
  await work();
  const node = process.cpuUsage(nodeBefore);
  return {
    wallMs: performance.now() - start,
    launcher: now() - launcherBefore,
    node: (node.user + node.system) / 1000,
  };
}
