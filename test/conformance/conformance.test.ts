/** Every case against every wall; what a wall skips stands in `skips.ts` with its reason. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { RemoteCaisson } from '../../src/client/index.ts';
import { Caisson, type HostFacts, type Observer } from '../../src/index.ts';
import { served } from '../server/served.ts';
import { cases, type Event, type Opened, type Place, policyOf, SECRET } from './cases.ts';
import { skips } from './skips.ts';
import { conformancePage } from './table.ts';
import { walls } from './walls.ts';

/** Where a Caisson is: in this process, or a service that is spoken to by its client. */
interface Whereabouts {
  readonly name: string;
  readonly open: (options: {
    readonly observer?: Observer;
    readonly facts?: HostFacts;
  }) => Promise<Opened>;
}

const whereabouts: readonly Whereabouts[] = [
  {
    name: 'here',
    open: async (options) => {
      const caisson = await Caisson.open(options);
      return { caisson, [Symbol.asyncDispose]: () => caisson.close() };
    },
  },
  {
    name: 'of a service',
    open: async (options) => {
      // As much as the library itself lets its caller do.
      const service = await served({ ceiling: 'basic', accept: ['limits.cpu:no-cgroup'] }, options);
      const apiKey = await service.key('developer');
      const caisson = await RemoteCaisson.open({ url: service.address, apiKey });
      return {
        caisson: caisson as unknown as Caisson,
        [Symbol.asyncDispose]: async () => {
          await caisson.close();
          await service[Symbol.asyncDispose]();
        },
      };
    },
  },
];

for (const { name: where, open } of whereabouts) {
  describe(where, () => {
    const events: Event[] = [];
    let opened: Opened;
    before(async () => {
      process.env[SECRET.name] = SECRET.value;
      opened = await open({ observer: (event) => events.push(event as Event) });
    });
    after(() => opened[Symbol.asyncDispose]());

    for (const wall of walls) {
      describe(wall.name, () => {
        for (const [name, { run }] of Object.entries(cases)) {
          if (skips[name]?.[wall.name] !== undefined) continue;
          test(name, () => {
            const { caisson } = opened;
            const place: Place = {
              caisson,
              wall,
              events,
              openElsewhere: (facts) => open({ facts }),
              does: (deed, limits) => wall.run(caisson, deed, { policy: policyOf(wall, limits) }),
            };
            return run(place);
          });
        }
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
