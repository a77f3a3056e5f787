/** Usage in the service's metrics: read once for all who collect at about the same time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Sample } from '../../src/observe/monitor/sample.ts';
import { usageFigures } from '../../src/server/usage-figures.ts';

test('is asked for once a second, however many collect; what failed is asked for again', async () => {
  let [atMs, asked, fails] = [0, 0, false];
  const monitor = {
    snapshot: async (): Promise<Sample> => {
      asked++;
      if (fails) throw new Error('the launcher is gone');
      const total = {
        sandboxes: asked,
        waiting: 0,
        memoryBytes: 0,
        processes: 0,
        openConnections: 0,
      };
      return { timeMs: 0, sandboxes: [], total };
    },
  };
  const figures = usageFigures(monitor, () => atMs);
  const [one, two] = await Promise.all([figures(), figures()]);
  atMs = 999;
  assert.deepEqual(
    [one, two, await figures()].map(({ sandboxes }) => sandboxes),
    [1, 1, 1],
  );
  atMs = 1000;
  fails = true;
  await assert.rejects(figures());
  atMs = 2000;
  fails = false;
  assert.equal((await figures()).sandboxes, 3);
});
