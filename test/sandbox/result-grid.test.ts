import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from '../../src/core/outcome.ts';
import { ResultGrid } from '../../src/sandbox/result-grid.ts';

/** Never before a line: what a busy machine can only make later. */
const CELL = 40;

describe('ResultGrid', () => {
  test('nothing comes before the next line, whenever it was ready', async () => {
    const begin = performance.now();
    const grid = new ResultGrid(CELL);
    await sleep(5);
    await grid.line();
    assert.ok(performance.now() - begin >= CELL);
    const cell = Math.floor((performance.now() - begin) / CELL);
    await sleep(1);
    await grid.line();
    assert.ok(performance.now() - begin >= (cell + 1) * CELL);
  });

  test('times are whole cells, rounded up', () => {
    const usage = { wallMs: 41, cpuUserMs: 0.2, cpuSystemMs: 0, memoryPeakBytes: 7 };
    const timing = { launchMs: 1.5, runMs: 40, teardownMs: 80.001 };
    const outcome = new ResultGrid(CELL).outcome({ usage, timing } as unknown as Outcome);
    assert.deepEqual(outcome.timing, { launchMs: 40, runMs: 40, teardownMs: 120 });
    assert.deepEqual(outcome.usage, {
      wallMs: 80,
      cpuUserMs: 40,
      cpuSystemMs: 40,
      memoryPeakBytes: 7,
    });
  });

  test('a stream comes in whole cells, complete and in order, and ends on a line', async () => {
    const begin = performance.now();
    const stream = new ResultGrid(CELL).stream();
    const seen: { at: number; text: string }[] = [];
    stream.on('data', (data) => seen.push({ at: performance.now() - begin, text: String(data) }));
    const ended = new Promise<number>((resolve) =>
      stream.on('end', () => resolve(performance.now() - begin)),
    );
    stream.write('a');
    stream.write('b');
    await sleep(CELL + 10);
    stream.write('c');
    stream.end('d');
    const end = await ended;
    assert.equal(seen.map(({ text }) => text).join(''), 'abcd');
    assert.equal(seen[0]?.text, 'ab', 'what came in one cell goes out as one');
    assert.ok((seen[0]?.at ?? 0) >= CELL);
    assert.ok((seen.at(-1)?.at ?? 0) >= 2 * CELL && end >= 2 * CELL);
  });

  test('more than it keeps waits for the reader and arrives whole', async () => {
    const stream = new ResultGrid(1).stream();
    const chunk = Buffer.alloc(1 << 20, 'x');
    let total = 0;
    const all = (async () => {
      for await (const data of stream) total += (data as Buffer).length;
    })();
    for (let i = 0; i < 24; i++) {
      if (!stream.write(chunk)) await new Promise((resolve) => stream.once('drain', resolve));
    }
    stream.end();
    await all;
    assert.equal(total, 24 << 20);
  });
});
