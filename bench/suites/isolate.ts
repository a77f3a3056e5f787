/** Small JavaScript programs: a call, a fresh isolate, thousands a second, and the next one after a loss. */
import assert from 'node:assert/strict';
import { Caisson, type EvaluateOptions } from '../../src/index.ts';
import { type Contestant, takeTurns } from '../contestant.ts';
import { FUNCTION, INPUT, type LightPeer, lightPeers } from '../light-peers.ts';
import { round } from '../report.ts';
import { quantile, summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

const SOURCE = `export default ${FUNCTION}`;
const EXPECTED = INPUT.map((x) => x * x);
const WARM = 'Caisson, process, kept context';
const INLINE = 'Caisson, inline, kept context';
const FRESH = 'Caisson, process, fresh isolate';
const CONTEXT = 'Caisson, process, fresh context';
/** Calls of one turn, one after the other; their median counts. */
const CALLS = 200;
const IN_FLIGHT = 32;
/** As long as makes the next isolate ready. */
const REST_MS = 8;
const WINDOW_MS = 1000;

type Call = () => unknown;

export const isolate: Suite = { name: 'isolate', run };

async function run(bench: Bench): Promise<SuiteResult> {
  await using caisson = await Caisson.open();
  const { peers, absent } = await lightPeers(bench);
  try {
    return await compare(bench, caisson, peers, absent);
  } finally {
    for (const peer of peers) peer.close?.();
  }
}

async function compare(
  bench: Bench,
  caisson: Caisson,
  peers: readonly LightPeer[],
  absent: Awaited<ReturnType<typeof lightPeers>>['absent'],
): Promise<SuiteResult> {
  const ours =
    (options: EvaluateOptions): Call =>
    async () =>
      (await caisson.evaluate('javascript', SOURCE, { args: [INPUT], ...options })).value;
  const kept = ours({ keep: 'context' });
  const context = ours({ keep: 'isolate' });
  const of = (kind: 'warm' | 'fresh' | 'freshContext'): [string, Call][] =>
    peers.flatMap((peer) => (peer[kind] === undefined ? [] : [[peer.name, peer[kind]]]));
  const rounds = bench.quick ? 30 : 200;
  const warm = await measured(
    [[WARM, kept], [INLINE, ours({ keep: 'context', placement: 'inline' })], ...of('warm')],
    { rounds, calls: CALLS, restMs: 0 },
  );
  const fresh = await measured([[FRESH, ours({})], [CONTEXT, context], ...of('fresh')], {
    rounds,
    calls: 1,
    restMs: REST_MS,
  });
  bench.note('thousands a second');
  const many = await throughput(bench.quick ? 2 : 5, [
    [WARM, kept],
    [CONTEXT, context],
    [FRESH, ours({})],
    ...of('warm').filter(([name]) => name.startsWith('workerd')),
  ]);
  const lost = await afterLoss(caisson, ours({}), bench.quick ? 5 : 20);
  const rows = (what: string, samples: Map<string, number[]>): string[][] =>
    [...samples].map(([name, values]) => {
      const { median, lowerQuartile, upperQuartile, p99 } = summarize(values);
      return [what, name, us(median), `${us(lowerQuartile)}–${us(upperQuartile)}`, us(p99)];
    });
  const perSecond = [...many].map(([name, values]) => {
    const { median } = summarize(values);
    return [`${IN_FLIGHT} in flight`, name, `${Math.round(median)} a second`, '', ''];
  });
  return {
    title: 'Small programs in isolates',
    method: `${FUNCTION} of three numbers, in turn. A warm call: ${rounds} turns of ${CALLS} calls each, the median of each turn. Everything anew: one call each turn, ${REST_MS} ms apart. Caisson's times are from the call of evaluate() to its outcome, with its host process behind the strict level.`,
    table: {
      columns: ['what', 'by', 'median, µs', 'middle half', '99 of 100'],
      rows: [
        ...rows('warm call', warm),
        ...rows('everything anew', fresh),
        ...perSecond,
        ...rows('first run after its host was lost', new Map([['Caisson, process', lost]])),
        ...absent.map(({ name, reason }) => ['', name, 'absent', reason, '']),
      ],
    },
    targets: [
      at(warm, WARM, 1000, { name: 'warm call, process', limit: 100, unit: 'µs' }),
      at(fresh, FRESH, 1, { name: 'fresh isolate for each run', limit: 0.5, unit: 'ms' }),
      at(warm, INLINE, 1000, { name: 'warm call, inline', limit: 10, unit: 'µs' }),
      {
        ...at(many, WARM, 1, { name: 'in a kept context', limit: 10_000, unit: '/s' }),
        sense: '≥',
      },
      {
        ...at(many, CONTEXT, 1, { name: 'with a fresh context each', limit: 2000, unit: '/s' }),
        sense: '≥',
      },
      {
        name: 'next run after a host was lost',
        measured: summarize(lost).median,
        sense: '≤',
        limit: 50,
        unit: 'ms',
      },
    ],
  };
}

function at(
  samples: Map<string, number[]>,
  key: string,
  scale: number,
  target: { readonly name: string; readonly limit: number; readonly unit: string },
) {
  const measured = summarize(samples.get(key) ?? []).median * scale;
  return { ...target, measured, sense: '≤' as const };
}

async function measured(
  calls: readonly (readonly [string, Call])[],
  options: { readonly rounds: number; readonly calls: number; readonly restMs: number },
): Promise<Map<string, number[]>> {
  const contestants = calls.map(
    ([name, call]): Contestant => ({
      name,
      every: 1,
      run: async () => {
        const times: number[] = [];
        let value: unknown;
        for (let i = 0; i < options.calls; i++) {
          const started = performance.now();
          value = await call();
          times.push(performance.now() - started);
        }
        assert.deepEqual(Array.from(value as number[]), EXPECTED, name);
        times.sort((a, b) => a - b);
        return { ms: quantile(times, 0.5), stdout: '' };
      },
    }),
  );
  return await takeTurns(contestants, {
    rounds: options.rounds,
    warmUp: 30,
    restMs: options.restMs,
    turn: (number) => ({ round: number, workspace: '', tag: '', proof: false }),
  });
}

/** Calls a second of each window, in turn. */
async function throughput(
  windows: number,
  calls: readonly (readonly [string, Call])[],
): Promise<Map<string, number[]>> {
  const rates = new Map<string, number[]>(calls.map(([name]) => [name, []]));
  for (let window = -1; window < windows; window++) {
    for (const [name, call] of calls) {
      let done = 0;
      const started = performance.now();
      const one = async (): Promise<void> => {
        for (; performance.now() - started < WINDOW_MS; done++) await call();
      };
      await Promise.all(Array.from({ length: IN_FLIGHT }, one));
      const rate = (done / (performance.now() - started)) * 1000;
      // The first is for the engine, to compile what is hot, and for hosts to start.
      if (window >= 0) rates.get(name)?.push(rate);
    }
  }
  return rates;
}

/** From the outcome of one that took its host with it to that of the next, milliseconds: out of time, and by its caller. */
async function afterLoss(caisson: Caisson, next: Call, rounds: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const signal = i % 2 === 0 ? {} : { signal: AbortSignal.timeout(40) };
    const limits = { cpuMs: i % 2 === 0 ? 40 : 5000 };
    const lost = caisson.safeEvaluate('javascript', 'for (;;);', { ...limits, ...signal });
    const result = await lost;
    if (result.ok && result.value.kind === 'exited') throw new Error('the loop came to an end');
    const started = performance.now();
    assert.deepEqual(await next(), EXPECTED);
    times.push(performance.now() - started);
    // The one that stands by is being started meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  return times;
}

function us(ms: number): string {
  return round(ms * 1000);
}
