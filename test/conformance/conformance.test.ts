/** Every case against every wall; what a wall skips stands in `skips.ts` with its reason. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Caisson } from '../../src/index.ts';
import { cases, type Event, type Place, policyOf, SECRET } from './cases.ts';
import { skips } from './skips.ts';
import { conformancePage } from './table.ts';
import { walls } from './walls.ts';

const events: Event[] = [];
let caisson: Caisson;
before(async () => {
  process.env[SECRET.name] = SECRET.value;
  caisson = await Caisson.open({ observer: (event) => events.push(event as Event) });
});
after(() => caisson.close());

for (const wall of walls) {
  describe(wall.name, () => {
    for (const [name, { run }] of Object.entries(cases)) {
      if (skips[name]?.[wall.name] !== undefined) continue;
      test(name, () => {
        const place: Place = {
          caisson,
          wall,
          events,
          does: (deed, limits) => wall.run(caisson, deed, { policy: policyOf(wall, limits) }),
        };
        return run(place);
      });
    }
  });
}

describe('the table of skips', () => {
  test('names cases and walls that there are', () => {
    for (const [name, by] of Object.entries(skips)) {
      assert.ok(Object.hasOwn(cases, name), name);
      for (const [wall, reason] of Object.entries(by)) {
        assert.ok(
          walls.some((each) => each.name === wall),
          wall,
        );
        assert.ok(reason.length > 20, `${name} on ${wall}: a reason`);
      }
    }
  });

  test('has nothing of the core, and of isolation only what is there for own code', () => {
    for (const [name, { kind }] of Object.entries(cases)) {
      const by = Object.keys(skips[name] ?? {});
      if (kind === 'core') assert.deepEqual(by, [], name);
      if (kind !== 'isolation') continue;
      for (const skipping of by) {
        assert.equal(walls.find((wall) => wall.name === skipping)?.level, 'basic', name);
      }
    }
  });

  test('is shown in docs/conformance.md', () => {
    const page = join(import.meta.dirname, '../../docs/conformance.md');
    assert.equal(readFileSync(page, 'utf8'), conformancePage());
  });
});
