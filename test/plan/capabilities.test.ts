import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isCaissonError } from '../../src/core/error.ts';
import {
  capabilityFloor,
  capabilityMask,
  capabilityNames,
  compileCapabilities,
  grantedCapabilities,
} from '../../src/plan/capabilities.ts';
import { CAPABILITY_NAMES } from '../../src/policy/capability-names.ts';

/** Written out apart from the table. */
const mustStayClosed = [
  'CAP_SYS_ADMIN',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_BOOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_TIME',
  'CAP_NET_ADMIN',
  'CAP_BPF',
  'CAP_PERFMON',
  'CAP_MAC_ADMIN',
  'CAP_MAC_OVERRIDE',
  'CAP_SYSLOG',
  'CAP_SETPCAP',
  'CAP_DAC_READ_SEARCH',
];

describe('capabilities', () => {
  it('numbers follow capabilities(7)', () => {
    assert.equal(CAPABILITY_NAMES.length, 41);
    assert.equal(capabilityMask(['CAP_CHOWN']), 1n);
    assert.equal(capabilityMask(['CAP_NET_BIND_SERVICE']), 1n << 10n);
    assert.equal(capabilityMask(['CAP_SYS_ADMIN']), 1n << 21n);
    assert.equal(capabilityMask(['CAP_CHECKPOINT_RESTORE']), 1n << 40n);
    assert.equal(capabilityMask(CAPABILITY_NAMES), (1n << 41n) - 1n);
    assert.deepEqual(capabilityNames(capabilityMask(CAPABILITY_NAMES)), CAPABILITY_NAMES);
  });

  it('none is none in all five sets, every securebit locked', () => {
    assert.deepEqual(compileCapabilities({ base: 'none', add: [], drop: [] }), {
      bounding: 0n,
      effective: 0n,
      permitted: 0n,
      inheritable: 0n,
      ambient: 0n,
      securebits: 0b1110_1111,
    });
  });

  it('what is given is ambient, so that it lasts across execve', () => {
    const bit = 1n << 10n;
    const plan = compileCapabilities({ base: 'none', add: ['net_bind_service'], drop: [] });
    assert.deepEqual(
      [plan.bounding, plan.effective, plan.permitted, plan.inheritable, plan.ambient],
      [bit, bit, bit, bit, bit],
    );
  });

  it('names with or without CAP_, in any case', () => {
    for (const name of ['net_raw', 'NET_RAW', 'CAP_NET_RAW', 'cap_net_raw']) {
      assert.deepEqual(grantedCapabilities({ base: 'none', add: [name], drop: [] }), [
        'CAP_NET_RAW',
      ]);
    }
  });

  for (const name of mustStayClosed) {
    it(`${name} is given by no policy`, () => {
      assert.ok(!grantedCapabilities({ base: 'all', add: [], drop: [] }).includes(name));
      assert.throws(
        () => compileCapabilities({ base: 'all', add: [name], drop: [name] }),
        (error) => {
          assert.ok(isCaissonError(error));
          assert.equal(error.code, 'POLICY_INVALID');
          assert.match(error.message, new RegExp(`${name}: .{10}`));
          return true;
        },
      );
    });
  }

  it('an unknown name is refused with the nearest one', () => {
    for (const list of ['add', 'drop'] as const) {
      assert.throws(
        () =>
          compileCapabilities({ base: 'none', add: [], drop: [], [list]: ['net_bnid_service'] }),
        (error) => {
          assert.ok(isCaissonError(error));
          assert.equal(error.code, 'POLICY_INVALID');
          assert.match(error.hint ?? '', /CAP_NET_BIND_SERVICE/);
          return true;
        },
      );
    }
  });

  it('for any policy: drop wins, the floor holds, the sets fit together', () => {
    const addable = CAPABILITY_NAMES.filter((name) => !capabilityFloor.has(name));
    const floor = capabilityMask([...capabilityFloor.keys()]);
    fc.assert(
      fc.property(
        fc.constantFrom('none' as const, 'all' as const),
        fc.subarray(addable),
        fc.subarray([...CAPABILITY_NAMES]),
        (base, add, drop) => {
          const plan = compileCapabilities({ base, add, drop });
          assert.equal(plan.permitted & capabilityMask(drop), 0n);
          assert.equal(plan.bounding & floor, 0n);
          assert.equal(plan.effective & ~plan.permitted, 0n);
          assert.equal(plan.ambient & ~(plan.permitted & plan.inheritable), 0n);
          const wanted = base === 'all' ? capabilityMask(addable) : capabilityMask(add);
          assert.equal(plan.permitted, wanted & ~capabilityMask(drop));
          assert.equal(plan.securebits, 0xef);
        },
      ),
    );
  });
});
