/**
 * The laws of the sets, and their decision procedures against brute force on small universes.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { canonicalAllow } from '../../src/policy/canonical-rules.ts';
import { parseDestination } from '../../src/policy/destination.ts';
import {
  canonicalRules,
  containsDestination,
  type DestinationPoint,
  type DestinationSet,
  destinationSet,
  destinationWitness,
  intersectDestinations,
  isEmptyDestinations,
  subtractDestinations,
  unionDestinations,
} from '../../src/policy/destination-set.ts';
import { formatHttpRule, parseHttpRule } from '../../src/policy/http-rule.ts';
import {
  containsName,
  intersectNames,
  isEmptyNames,
  namePatterns,
  nameSet,
  nameWitness,
  subtractNames,
  unionNames,
} from '../../src/policy/name-set.ts';
import {
  containsPath,
  intersectPaths,
  isEmptyPaths,
  pathSet,
  pathWitness,
  subtractPaths,
  unionPaths,
} from '../../src/policy/path-set.ts';
import type { Destination } from '../../src/policy/policy.ts';

/** A kind of set: how to make one, its points, and a membership test written without the library. */
interface Kind<S, P> {
  readonly arbitrary: fc.Arbitrary<{ set: S; member: (point: P) => boolean }>;
  readonly points: readonly P[];
  readonly contains: (set: S, point: P) => boolean;
  readonly union: (a: S, b: S) => S;
  readonly intersect: (a: S, b: S) => S;
  readonly subtract: (a: S, b: S) => S;
  readonly isEmpty: (set: S) => boolean;
  readonly witness: (a: S, b: S) => P | string | undefined;
  /** Whether equal sets have one form. */
  readonly canonical: boolean;
}

/** Two letters, three deep: every path that two rules could tell apart, and one below each. */
const components = ['a', 'b'];
const PATHS = ['/', '$workspace'].flatMap((root) => {
  const join = (at: string, part: string) => (at === '/' ? `/${part}` : `${at}/${part}`);
  const first = components.map((part) => join(root, part));
  const second = first.flatMap((path) => components.map((part) => join(path, part)));
  return [root, ...first, ...second, ...second.map((path) => `${path}/x`)];
});

const paths: Kind<ReturnType<typeof pathSet>, string> = {
  arbitrary: fc
    .array(fc.record({ path: fc.constantFrom(...PATHS), include: fc.boolean() }), { maxLength: 6 })
    .map((rules) => ({
      set: pathSet(rules),
      member: (point) => {
        const covering = rules.filter(({ path }) =>
          path === '/' ? point.startsWith('/') : `${point}/`.startsWith(`${path}/`),
        );
        const longest = Math.max(...covering.map(({ path }) => path.length));
        const deciding = covering.filter(({ path }) => path.length === longest);
        return deciding.length > 0 && deciding.every(({ include }) => include);
      },
    })),
  points: PATHS,
  contains: containsPath,
  union: unionPaths,
  intersect: intersectPaths,
  subtract: subtractPaths,
  isEmpty: isEmptyPaths,
  witness: pathWitness,
  canonical: true,
};

const NAMES = ['', 'A', 'B'].flatMap((x) =>
  ['A', 'B', 'C'].flatMap((y) => [`${x}${y}`, `${x}${y}Z`]),
);
const patterns = ['*', 'A', 'B', 'A*', 'B*', 'AA', 'AA*', 'AB*', 'BA', 'ABZ'];

const names: Kind<ReturnType<typeof nameSet>, string> = {
  arbitrary: fc
    .array(fc.tuple(fc.constantFrom(...patterns), fc.boolean()), { maxLength: 6 })
    .map((rules) => ({
      set: nameSet(rules.map(([pattern, include]) => `${include ? '' : '!'}${pattern}`)),
      member: (point) => {
        const weight = (pattern: string) =>
          pattern.endsWith('*') ? 2 * (pattern.length - 1) : 2 * pattern.length + 1;
        const covering = rules.filter(([pattern]) =>
          pattern.endsWith('*') ? point.startsWith(pattern.slice(0, -1)) : point === pattern,
        );
        const best = Math.max(...covering.map(([pattern]) => weight(pattern)));
        const deciding = covering.filter(([pattern]) => weight(pattern) === best);
        return deciding.length > 0 && deciding.every(([, include]) => include);
      },
    })),
  points: NAMES,
  contains: containsName,
  union: unionNames,
  intersect: intersectNames,
  subtract: subtractNames,
  isEmpty: isEmptyNames,
  witness: nameWitness,
  canonical: true,
};

const hosts = [
  '*',
  'a.x',
  '*.x',
  'x',
  '*.a.x',
  'b.a.x',
  '10.0.0.0/30',
  '10.0.0.0/31',
  '10.0.0.2',
  '::/126',
];
const ports = ['1', '2', '1-2', '2-3', '*'];
const pointHosts = [
  'x',
  'a.x',
  'q.x',
  'b.a.x',
  'q.a.x',
  'y',
  '10.0.0.0',
  '10.0.0.1',
  '10.0.0.2',
  '10.0.0.3',
  '10.0.0.4',
  '::1',
  '::4',
];
const POINTS = pointHosts.flatMap((host) =>
  [1, 2, 3, 4].flatMap((port) =>
    (['tcp', 'udp', 'icmp', 'gre', 253] as const).map((protocol) => ({ host, port, protocol })),
  ),
);
type Point = Pick<DestinationPoint, 'host' | 'port' | 'protocol'>;

/** What has no ports, and stands behind a block. */
const packetRule = fc
  .constantFrom(
    '10.0.0.0/30/icmp',
    '10.0.0.0/31/gre',
    '10.0.0.2/icmp',
    '10.0.0.0/31/253',
    '10.0.0.2/raw',
    '10.0.0.0/30/raw',
    '[::]/126/raw',
    '[::]/126/gre',
  )
  .map((text) => parseDestination(text));

const portRule = fc
  .tuple(fc.constantFrom(...hosts), fc.constantFrom(...ports), fc.constantFrom('', '/udp'))
  .map(([host, port, protocol]) => {
    const shown = host.includes('::') ? `[::]/126` : host;
    return parseDestination(`${shown}:${port}${protocol}`);
  });

const rule = fc.oneof({ arbitrary: portRule, weight: 2 }, packetRule);

/** By tables, not by the library's parsers: which of the points each host pattern covers. */
const COVERED: Readonly<Record<string, readonly string[]>> = {
  '*': pointHosts,
  'a.x': ['a.x'],
  '*.x': ['a.x', 'q.x', 'b.a.x', 'q.a.x'],
  x: ['x'],
  '*.a.x': ['b.a.x', 'q.a.x'],
  'b.a.x': ['b.a.x'],
  '10.0.0.0/30': ['10.0.0.0', '10.0.0.1', '10.0.0.2', '10.0.0.3'],
  '10.0.0.0/31': ['10.0.0.0', '10.0.0.1'],
  '10.0.0.2/32': ['10.0.0.2'],
  '::/126': ['::1'],
};
const covers = (destination: Destination, point: Point) =>
  (destination.protocol === point.protocol ||
    (destination.protocol === 'raw' && point.protocol !== 'tcp' && point.protocol !== 'udp')) &&
  destination.ports.some(({ from, to }) => point.port >= from && point.port <= to) &&
  (COVERED[destination.host] ?? []).includes(point.host);

const destinations: Kind<DestinationSet, Point> = {
  arbitrary: fc
    .tuple(fc.array(rule, { maxLength: 4 }), fc.array(rule, { maxLength: 3 }))
    .map(([allow, deny]) => ({
      set: destinationSet(allow, deny),
      member: (point) =>
        allow.some((one) => covers(one, point)) && !deny.some((one) => covers(one, point)),
    })),
  points: POINTS,
  contains: containsDestination,
  union: unionDestinations,
  intersect: intersectDestinations,
  subtract: subtractDestinations,
  isEmpty: isEmptyDestinations,
  witness: destinationWitness,
  canonical: false,
};

/** The same with requests: few hosts and ports, every path that two rules could tell apart. */
const REQUEST_PATHS = ['/', '/a', '/a/b', '/a/b/x', '/ax', '/a/c', '/c'];
const REQUEST_POINTS = ['a.x', 'q.x'].flatMap((host) =>
  [1, 2].flatMap((port) => {
    const raw = { host, port, protocol: 'tcp' as const };
    const requests = REQUEST_PATHS.flatMap((path) =>
      ['GET', 'POST', 'PUT'].map((method) => ({ ...raw, request: { method, path } })),
    );
    return [raw, ...requests];
  }),
);
type RequestAt = (typeof REQUEST_POINTS)[number] & {
  readonly request?: { method: string; path: string };
};
const PATHS_BELOW: Readonly<Record<string, readonly string[]>> = {
  '/**': REQUEST_PATHS,
  '/a/**': ['/a', '/a/b', '/a/b/x', '/a/c'],
  '/a/b/**': ['/a/b', '/a/b/x'],
  '/a': ['/a'],
  '/a/b': ['/a/b'],
};
const requestRule = fc.tuple(
  fc.constantFrom('a.x', '*.x'),
  fc.constantFrom('1', '1-2'),
  fc.option(
    fc.array(
      fc.tuple(
        fc.constantFrom('', 'GET', 'POST', 'GET,POST'),
        fc.constantFrom(...Object.keys(PATHS_BELOW)),
      ),
      { minLength: 1, maxLength: 3 },
    ),
  ),
);
type WrittenRule = typeof requestRule extends fc.Arbitrary<infer T> ? T : never;
const madeOf = ([host, ports, http]: WrittenRule): Destination => ({
  ...parseDestination(`${host}:${ports}`),
  ...(http === null
    ? {}
    : { http: http.map(([methods, path]) => parseHttpRule(`${methods} ${path}`.trim())) }),
});
const allowsRequest = ([host, ports, http]: WrittenRule, point: RequestAt) =>
  (host === '*.x' || host === point.host) &&
  (ports === '1-2' || point.port === 1) &&
  (http === null ||
    http.some(
      ([methods, path]) =>
        point.request !== undefined &&
        (methods === '' || methods.split(',').includes(point.request.method)) &&
        PATHS_BELOW[path]?.includes(point.request.path),
    ));
const requests: Kind<DestinationSet, RequestAt> = {
  ...destinations,
  arbitrary: fc
    .tuple(fc.array(requestRule, { maxLength: 3 }), fc.array(requestRule, { maxLength: 2 }))
    .map(([allow, deny]) => ({
      set: destinationSet(allow.map(madeOf), deny.map(madeOf)),
      member: (point) =>
        allow.some((one) => allowsRequest(one, point)) &&
        !deny.some((one) => allowsRequest(one, point)),
    })),
  points: REQUEST_POINTS,
  witness: destinationWitness as (a: DestinationSet, b: DestinationSet) => RequestAt | undefined,
};

function laws<S, P>(name: string, kind: Kind<S, P>): void {
  const { arbitrary, points, contains } = kind;
  const same = (a: S, b: S) => {
    if (kind.canonical) assert.deepEqual(a, b);
    assert.equal(kind.witness(a, b), undefined);
    assert.equal(kind.witness(b, a), undefined);
  };

  describe(name, () => {
    test('membership is what the rules say', () => {
      fc.assert(
        fc.property(arbitrary, ({ set, member }) => {
          for (const point of points)
            assert.equal(contains(set, point), member(point), JSON.stringify(point));
        }),
      );
    });

    test('union, intersection and difference hold point by point', () => {
      fc.assert(
        fc.property(arbitrary, arbitrary, (a, b) => {
          const [or, and, not] = [
            kind.union(a.set, b.set),
            kind.intersect(a.set, b.set),
            kind.subtract(a.set, b.set),
          ];
          for (const point of points) {
            const [inA, inB] = [a.member(point), b.member(point)];
            const at = JSON.stringify(point);
            assert.equal(contains(or, point), inA || inB, `union at ${at}`);
            assert.equal(contains(and, point), inA && inB, `intersection at ${at}`);
            assert.equal(contains(not, point), inA && !inB, `difference at ${at}`);
          }
        }),
      );
    });

    test('idempotent, commutative, associative, absorbing, distributive', () => {
      fc.assert(
        fc.property(arbitrary, arbitrary, arbitrary, ({ set: a }, { set: b }, { set: c }) => {
          const { union, intersect, subtract } = kind;
          same(union(a, a), a);
          same(intersect(a, a), a);
          same(union(a, b), union(b, a));
          same(intersect(a, b), intersect(b, a));
          same(union(a, union(b, c)), union(union(a, b), c));
          same(intersect(a, union(a, b)), a);
          same(intersect(a, union(b, c)), union(intersect(a, b), intersect(a, c)));
          same(subtract(a, union(b, c)), intersect(subtract(a, b), subtract(a, c)));
          same(subtract(a, intersect(b, c)), union(subtract(a, b), subtract(a, c)));
          assert.ok(kind.isEmpty(subtract(a, a)));
        }),
        { numRuns: kind.canonical ? 100 : 25 },
      );
    });

    test('a witness is in the one and not in the other, and there is one unless it is subsumed', () => {
      fc.assert(
        fc.property(arbitrary, arbitrary, (a, b) => {
          const witness = kind.witness(a.set, b.set);
          const different = points.some((point) => b.member(point) && !a.member(point));
          if (different) assert.notEqual(witness, undefined);
          if (witness === undefined) return;
          // A pattern (`A*`) stands for its shortest names; those are points, too.
          const point = (typeof witness === 'string' ? witness.replace(/\*$/, 'Q') : witness) as P;
          assert.ok(contains(b.set, point) && !contains(a.set, point), JSON.stringify(witness));
        }),
      );
    });

    test('empty is said of the sets without a point alone', () => {
      fc.assert(
        fc.property(arbitrary, ({ set, member }) => {
          if (kind.isEmpty(set)) assert.ok(!points.some(member));
          else assert.notEqual(kind.witness(kind.subtract(set, set), set), undefined);
        }),
      );
    });
  });
}

laws('paths', paths);
laws('names', names);
laws('destinations', destinations);
laws('destinations with requests', requests);

test('names keep their meaning through their written form', () => {
  fc.assert(
    fc.property(names.arbitrary, ({ set }) => assert.deepEqual(nameSet(namePatterns(set)), set)),
  );
});

test('rules in canonical form cover the same points, in any order of writing', () => {
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 6 }), (rules) => {
      const canonical = canonicalRules(rules);
      assert.deepEqual(canonicalRules(rules.toReversed()), canonical);
      for (const point of POINTS) {
        assert.equal(
          canonical.some((one) => covers(one, point)),
          rules.some((one) => covers(one, point)),
        );
      }
    }),
  );
});

test('rules for requests in canonical form cover the same points, in any order of writing', () => {
  fc.assert(
    fc.property(fc.array(requestRule, { maxLength: 5 }), (written) => {
      const canonical = canonicalRules(written.map(madeOf));
      assert.deepEqual(canonicalRules(written.toReversed().map(madeOf)), canonical);
      assert.deepEqual(canonicalRules(canonical), canonical);
      for (const point of REQUEST_POINTS) {
        assert.equal(
          containsDestination(destinationSet(canonical), point),
          written.some((one) => allowsRequest(one, point)),
        );
      }
    }),
  );
});

test('a rule for requests has one written form', () => {
  const rows: [string, string][] = [
    ['GET /a/**', 'GET /a/**'],
    ['POST,GET,GET /a', 'GET,POST /a'],
    ['/**', '/**'],
    ['/', '/'],
    ['/a%20b/%63', '/a%20b/c'],
    ['/caf%C3%A9', '/caf%C3%A9'],
    ['/a%3Fb', '/a%3Fb'],
    ['/a/', '/a/'],
  ];
  for (const [text, form] of rows) {
    assert.equal(formatHttpRule(parseHttpRule(text)), form);
    assert.deepEqual(parseHttpRule(form), parseHttpRule(text));
  }
  for (const bad of [
    'GET',
    'get /a',
    '/a*',
    '/a/*/b',
    'a',
    '/a?x',
    '/a//b',
    '/a/../b',
    '/%2f',
    'GET  /a',
    '',
    '/a//**',
  ]) {
    assert.throws(() => parseHttpRule(bad), { code: 'POLICY_INVALID' }, bad);
  }
});

test('any name is allowed beside blocks, and covers none of them', () => {
  const rules = ['*:443', 'a.x:443', '10.0.0.0/8:443', '10.1.0.0/16:443'].map(parseDestination);
  assert.deepEqual(
    canonicalAllow(rules).map(({ host }) => host),
    ['*', '10.0.0.0/8'],
  );
});
