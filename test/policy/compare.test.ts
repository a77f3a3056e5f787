import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isCaissonError } from '../../src/core/error.ts';
import { intersectPolicies, unionPolicies } from '../../src/policy/combine.ts';
import { diffPolicies, subsumes } from '../../src/policy/compare.ts';
import { digestPolicy } from '../../src/policy/digest.ts';
import type { PolicyDocument } from '../../src/policy/document.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { levelPolicy } from '../../src/policy/presets.ts';

const policy = (document: PolicyDocument) => policyFromDocument(document, { home: '/home/u' });
const some = <T>(...values: T[]) => fc.uniqueArray(fc.constantFrom(...values), { maxLength: 3 });

/** Policies behind the process wall, small enough that pairs of them often meet. */
const policies: fc.Arbitrary<Policy> = fc
  .record<PolicyDocument>(
    {
      level: fc.constantFrom('moderate', 'strict'),
      filesystem: fc.record(
        {
          read: some('a', 'a/b', '/d', '/d/e', '!/usr/local', '!/opt/x', '/'),
          write: some('a/b', '/d', '!/d/e', '.', '/w'),
          scratch: some('/tmp', '/var/tmp'),
          protect: some('.git/config', '.git/*', '.env*', '.env'),
          sys: fc.boolean(),
        },
        { requiredKeys: [] },
      ),
      environment: fc.record({ pass: some('A', 'A*', '!AB', '*', 'B') }),
      syscalls: fc.record(
        {
          preset: fc.constantFrom('minimal', 'default', 'all'),
          allow: some('bpf', 'ptrace'),
          deny: some('ptrace', 'chroot'),
        },
        { requiredKeys: [] },
      ),
      capabilities: fc.record({
        base: fc.constantFrom('none', 'all'),
        add: some('chown', 'kill'),
        drop: some('kill', 'sys_admin'),
      }),
      devices: some('/dev/fuse', '/dev/kvm'),
      limits: fc.record(
        {
          timeout: fc.constantFrom('5s', '1h', null),
          cpuTime: fc.constantFrom('5s', '1h', null),
          memory: fc.constantFrom('5MiB', '2GiB'),
          processes: fc.constantFrom(1, 1000),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: [] },
  )
  .chain((document) =>
    fc
      .record(
        {
          mode: fc.constantFrom('none', 'internal', 'full'),
          group: fc.constantFrom('g', 'h'),
          allow: some<NonNullable<NonNullable<PolicyDocument['network']>['allow']>[number]>(
            'a.example',
            '*.a.example:80',
            '*:443',
            '10.0.0.0/8:*',
            '10.0.0.0/16',
            { host: 'a.example:80', http: ['GET /a/**', 'POST /b'] },
            { host: '*.a.example', http: ['GET /a/b', '/c/**'] },
            { host: '*:443', http: ['GET /**'] },
            { host: '10.0.0.0/8:80', http: ['/a'] },
            '93.184.0.0/16:443',
          ),
          intercept: fc.boolean(),
          secrets: fc.constantFrom(
            { T: ['a.example'] },
            { T: ['*.a.example'], U: { hosts: ['a.example'] } },
            { A: ['b.a.example'] },
          ),
          deny: some('b.a.example:80', '10.0.0.0/16', '*:80', 'a.example'),
          listen: some(80, 8080),
        },
        { requiredKeys: [] },
      )
      .map(({ mode, allow, group, intercept, secrets, ...network }) => {
        const named = mode === 'internal' && group ? { mode, group } : mode ? { mode } : {};
        const filtered = intercept ? { intercept, ...(secrets ? { secrets } : {}) } : {};
        return {
          ...document,
          network: allow?.length ? { ...network, ...filtered, allow } : { ...network, ...named },
        };
      }),
  )
  .filter((document) => !isBad(document))
  .map(policy);

/** Nothing where no policy is above both: one keeps a secret that the other hands in, or has no proxy for. */
function union(a: Policy, b: Policy): Policy | undefined {
  try {
    return unionPolicies(a, b);
  } catch (error) {
    assert.ok(isCaissonError(error) && /keeps|through the egress proxy/.test(error.message));
    return undefined;
  }
}

function isBad(document: PolicyDocument): boolean {
  try {
    policy(document);
    return false;
  } catch (error) {
    if (isCaissonError(error)) return true;
    throw error;
  }
}

describe('the order on policies', () => {
  test('each subsumes itself, and has no difference from itself', () => {
    fc.assert(
      fc.property(policies, (a) => {
        assert.deepEqual(subsumes(a, a), { ok: true });
        assert.deepEqual(diffPolicies(a, a), { onlyFirst: [], onlySecond: [], other: [] });
      }),
    );
  });

  test('what is subsumed twice over is subsumed', () => {
    fc.assert(
      fc.property(policies, policies, policies, (a, x, y) => {
        const b = intersectPolicies(a, x);
        const c = intersectPolicies(b, y);
        assert.deepEqual(subsumes(a, c), { ok: true });
      }),
    );
  });

  test('the intersection lies below both, the union above both', () => {
    fc.assert(
      fc.property(policies, policies, (a, b) => {
        const [both, either] = [intersectPolicies(a, b), union(a, b)];
        for (const one of [a, b]) {
          assert.deepEqual(subsumes(one, both), { ok: true });
          if (either) assert.deepEqual(subsumes(either, one), { ok: true });
        }
      }),
      { numRuns: 300 },
    );
  });

  test('a policy met or joined with itself allows the same', () => {
    fc.assert(
      fc.property(policies, (a) => {
        for (const same of [intersectPolicies(a, a), unionPolicies(a, a)]) {
          assert.deepEqual(subsumes(a, same), { ok: true });
          assert.deepEqual(subsumes(same, a), { ok: true });
        }
      }),
    );
  });

  test('policies of equal digest subsume each other', () => {
    fc.assert(
      fc.property(policies, policies, (a, b) => {
        if (digestPolicy(a) === digestPolicy(b)) {
          assert.ok(subsumes(a, b).ok && subsumes(b, a).ok);
        } else {
          assert.notDeepEqual({ ...a, name: '' }, { ...b, name: '' });
        }
      }),
    );
  });

  test('the levels from none to paranoid allow less and less', () => {
    const chain = (['none', 'moderate', 'strict', 'paranoid'] as const).map(levelPolicy);
    for (const [i, stricter] of chain.slice(1).entries()) {
      const wider = chain[i] as Policy;
      assert.equal(subsumes(stricter, wider).ok, false, `${stricter.level} over ${wider.level}`);
      // The walls differ from level to level, which is a difference of its own.
      const said = diffPolicies(stricter, wider).onlyFirst;
      const beyond = said.filter((sentence) => !/behind the wall|environment|cores/.test(sentence));
      assert.deepEqual(beyond, [], `${stricter.level} has more than ${wider.level}`);
    }
  });
});

describe('the witness says what the other may not', () => {
  const rows: [b: PolicyDocument, a: PolicyDocument, witness: string | undefined][] = [
    [{ network: { allow: ['pypi.org'] } }, {}, 'b may connect to pypi.org:443, a may not'],
    [
      { network: { allow: ['*.x.example'] } },
      { network: { allow: ['*.x.example'], deny: ['a.x.example'] } },
      'b may connect to a.x.example:443, a may not',
    ],
    [{ network: { allow: ['a.x.example'] } }, { network: { allow: ['*.x.example'] } }, undefined],
    [
      { network: { allow: ['x.example'] } },
      { network: { allow: ['*.x.example'] } },
      'b may connect to x.example:443, a may not',
    ],
    [{ network: { allow: ['*:53/udp'] } }, {}, 'b may connect to any host:53/udp, a may not'],
    [{ network: { allow: ['10.0.0.1'] } }, {}, 'b may connect to 10.0.0.1:443, a may not'],
    [
      { network: { allow: ['a.example'] } },
      { network: { allow: ['a.example'], deny: ['93.184.0.0/16:443'] } },
      'b may reach 93.184.0.0:443 through the name a.example, a may not',
    ],
    // Refused to names already, whatever is denied.
    [
      { network: { allow: ['a.example'] } },
      { network: { allow: ['a.example'], deny: ['169.254.169.254:443'] } },
      undefined,
    ],
    [
      { network: { allow: ['93.184.216.34'] } },
      { network: { allow: ['*:443'] } },
      'b may connect to 93.184.216.34:443, a may not',
    ],
    [{ network: { allow: ['a.example'] } }, { network: { allow: ['*:443'] } }, undefined],
    [
      {
        network: {
          intercept: true,
          allow: [{ host: 'api.github.com', http: ['GET /**', 'POST /graphql'] }],
        },
      },
      { network: { intercept: true, allow: [{ host: 'api.github.com', http: ['GET /**'] }] } },
      'b may POST https://api.github.com/graphql, a may not',
    ],
    [
      { network: { allow: ['a.example:8080'] } },
      { network: { allow: [{ host: 'a.example:8080', http: ['GET /**'] }] } },
      'b may send anything to a.example:8080, a may not',
    ],
    [
      { network: { allow: [{ host: 'a.example:8080', http: ['GET /a/b'] }] } },
      { network: { allow: [{ host: 'a.example:8080', http: ['/a/**'] }] } },
      undefined,
    ],
    [
      { network: { intercept: true, allow: ['a.example'], secrets: { T: ['a.example'] } } },
      { network: { intercept: true, allow: ['a.example'] } },
      'b may use the secret T at a.example, a may not',
    ],
    [
      { network: { intercept: true, allow: ['*.a.example'], secrets: { T: ['b.a.example'] } } },
      { network: { intercept: true, allow: ['*.a.example'], secrets: { T: ['*.a.example'] } } },
      undefined,
    ],
    [
      { network: { allow: ['a.example'] } },
      { network: { allow: ['a.example'], intercept: true } },
      undefined,
    ],
    [
      { network: { mode: 'internal', group: 'g' } },
      { network: { mode: 'internal', group: 'h' } },
      'b may reach the sandboxes of the group g, a may not',
    ],
    [
      { network: { allow: ['a.example'] } },
      { network: { allow: ['a.example'], deny: ['169.254.169.254:80'] } },
      undefined,
    ],
    [
      { network: { mode: 'full' } },
      { network: { allow: ['*:*', '*:*/udp'] } },
      'b may use the network unfiltered, a may not',
    ],
    [
      { filesystem: { read: ['/d'] } },
      { filesystem: { read: ['/d', '!/d/e'] } },
      'b may read /d/e, a may not',
    ],
    [{ filesystem: { read: ['/usr/share'] } }, {}, undefined],
    [{}, { filesystem: { read: ['!/opt/x'] } }, 'b may read /opt/x, a may not'],
    [{ filesystem: { write: ['src'] } }, { filesystem: { write: ['.'] } }, undefined],
    [
      { filesystem: { write: ['.'] } },
      { filesystem: { write: ['.'], protect: ['.git/hooks'] } },
      'b may write the protected .git/hooks, a may not',
    ],
    [
      { filesystem: { write: ['.'], protect: ['.git'] } },
      { filesystem: { write: ['.'], protect: ['.git/hooks', '.git/modules/**/config'] } },
      undefined,
    ],
    [
      { filesystem: { write: ['.'] } },
      { filesystem: { write: ['.'], workspace: 'overlay' } },
      'b may change the workspace itself, a may not',
    ],
    [{ limits: { memory: '1GiB' } }, {}, 'b may use memory of 1GiB (over 512MiB), a may not'],
    [{ limits: { timeout: null } }, {}, 'b may run for any amount (over 1m), a may not'],
    [{ capabilities: { add: ['net_raw'] } }, {}, 'b may hold CAP_NET_RAW, a may not'],
    [
      { capabilities: { base: 'all' } },
      { capabilities: { base: 'all', drop: ['kill'] } },
      'b may hold CAP_KILL, a may not',
    ],
    [
      { environment: { pass: ['LC_*'] } },
      { environment: { pass: ['LC_*', '!LC_ALL'] } },
      'b may see the environment variable LC_ALL, a may not',
    ],
    [{}, { syscalls: { deny: ['ptrace'] } }, 'b may call ptrace, a may not'],
    [{ level: 'moderate' }, {}, 'b may run at the level moderate, a may not'],
  ];
  for (const [b, a, witness] of rows) {
    test(witness ?? `${JSON.stringify(b)} lies within ${JSON.stringify(a)}`, () => {
      const answer = subsumes(policy(a), policy(b));
      assert.deepEqual(answer, witness === undefined ? { ok: true } : { ok: false, witness });
    });
  }

  test('two policies without a common wall have no intersection', () => {
    assert.throws(
      () => intersectPolicies(levelPolicy('strict'), levelPolicy('paranoid')),
      (error) => isCaissonError(error) && /no wall/.test(error.message),
    );
  });

  test('a difference is listed both ways, and what is neither more nor less beside it', () => {
    const a = policy({ hostname: 'x', network: { allow: ['a.example'] } });
    const b = policy({ environment: { set: { A: '1' } }, limits: { memory: '1GiB' } });
    assert.deepEqual(diffPolicies(a, b, { first: 'one', second: 'two' }), {
      onlyFirst: ['one may connect to a.example:443, two may not'],
      onlySecond: ['two may use memory of 1GiB (over 512MiB), one may not'],
      other: ['hostname: x against caisson', 'environment A: (not set) against 1'],
    });
  });
});
