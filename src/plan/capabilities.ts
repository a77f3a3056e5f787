/**
 * Capabilities: which ones a policy may give a guest inside its user namespace, and the five sets that come of it
 * (capabilities(7), user_namespaces(7)).
 */
import { CaissonError } from '../core/error.ts';
import { CAPABILITY_NAMES, parseCapability } from '../policy/capability-names.ts';
import type { Policy } from '../policy/policy.ts';
import { suggest } from '../policy/suggest.ts';
import type { CapabilityPlan } from './plan.ts';

const wholeHost = 'it belongs to the whole host; inside a user namespace it has no honest use';
const label = 'it changes the rules of a security module';

/**
 * What no policy can give: what would undo the wall from inside the user namespace, or opens kernel code that is
 * written for the administrator of the machine.
 */
export const capabilityFloor: ReadonlyMap<string, string> = new Map([
  ['CAP_SYS_ADMIN', 'it mounts, enters namespaces and much else: the wall itself'],
  [
    'CAP_SYS_PTRACE',
    "it would take over the sandbox's own init, which holds a line to the launcher",
  ],
  [
    'CAP_NET_ADMIN',
    'it rewrites routes and firewall of the sandbox, by which the wall filters, and opens kernel code with many faults',
  ],
  ['CAP_DAC_READ_SEARCH', 'it opens files by handle, past the mounts'],
  ['CAP_SETPCAP', 'it edits the capability sets that the wall has fixed'],
  ['CAP_SETFCAP', 'it leaves files behind that give capabilities to whoever runs them'],
  ['CAP_SYS_MODULE', 'it loads code into the kernel'],
  ['CAP_SYS_RAWIO', 'it reaches I/O ports and raw memory'],
  ['CAP_SYS_BOOT', 'it restarts the machine or replaces the kernel'],
  ['CAP_SYS_TIME', "it sets the host's clock"],
  ['CAP_SYS_TTY_CONFIG', "it types into the caller's terminal (TIOCLINUX, TIOCSTI)"],
  ['CAP_SYS_PACCT', wholeHost],
  ['CAP_BPF', 'it runs programs in the kernel'],
  ['CAP_PERFMON', 'it observes the whole machine'],
  ['CAP_CHECKPOINT_RESTORE', 'it chooses process numbers and reads through /proc links'],
  ['CAP_MAC_OVERRIDE', label],
  ['CAP_MAC_ADMIN', label],
  ['CAP_SYSLOG', "it reads the kernel's log and addresses"],
  ['CAP_AUDIT_CONTROL', wholeHost],
  ['CAP_AUDIT_READ', wholeHost],
  ['CAP_AUDIT_WRITE', 'it forges records in the audit log of the host'],
  ['CAP_WAKE_ALARM', wholeHost],
  ['CAP_BLOCK_SUSPEND', wholeHost],
]);

/** SECBIT_* of linux/securebits.h; each is followed by its lock. */
const securebit = {
  noRoot: 1 << 0,
  noSetuidFixup: 1 << 2,
  keepCaps: 1 << 4,
  noAmbientRaise: 1 << 6,
} as const;
const locked = (bit: number): number => bit << 1;

/**
 * uid 0 means nothing, keep-caps stays off, nothing further becomes ambient; and none of it can be changed back.
 * No set-user-ID fix-up: it concerns uid 0 alone, which is not mapped.
 */
const SECUREBITS =
  securebit.noRoot |
  locked(securebit.noRoot) |
  securebit.noSetuidFixup |
  locked(securebit.noSetuidFixup) |
  locked(securebit.keepCaps) |
  securebit.noAmbientRaise |
  locked(securebit.noAmbientRaise);

/**
 * The five sets for a policy. What is given is ambient too, so that it lasts across execve of a guest that is not
 * root; what is not given leaves the bounding set, so that nothing brings it back.
 *
 * @throws CaissonError `POLICY_INVALID` for a name that is no capability, and for one in `add` that the floor keeps
 * @example
 * compileCapabilities({ base: 'none', add: ['net_bind_service'], drop: [] });
 */
export function compileCapabilities(policy: Policy['capabilities']): CapabilityPlan {
  const given = capabilityMask(grantedCapabilities(policy));
  return {
    bounding: given,
    effective: given,
    permitted: given,
    inheritable: given,
    ambient: given,
    securebits: SECUREBITS,
  };
}

/** Names of what a policy gives, in the order of their numbers; see {@link compileCapabilities}. */
export function grantedCapabilities({
  base,
  add,
  drop,
}: Policy['capabilities']): readonly string[] {
  const added = new Set(add.map((text) => checkAdded(known(text, 'add'))));
  const dropped = new Set(drop.map((text) => known(text, 'drop')));
  return CAPABILITY_NAMES.filter(
    (name) =>
      !dropped.has(name) && (added.has(name) || (base === 'all' && !capabilityFloor.has(name))),
  );
}

/** Bit n is capability n. */
export function capabilityMask(names: readonly string[]): bigint {
  return CAPABILITY_NAMES.reduce(
    (mask, name, number) => (names.includes(name) ? mask | (1n << BigInt(number)) : mask),
    0n,
  );
}

/** The inverse of {@link capabilityMask}; bits beyond the last known capability are left out. */
export function capabilityNames(mask: bigint): readonly string[] {
  return CAPABILITY_NAMES.filter((_, number) => (mask >> BigInt(number)) & 1n);
}

function checkAdded(name: string): string {
  const reason = capabilityFloor.get(name);
  if (reason === undefined) return name;
  throw new CaissonError('POLICY_INVALID', {
    layer: 'plan',
    message: `capabilities.add: no policy can give ${name}: ${reason}`,
    hint: `take ${name} out of capabilities.add; what needs it needs a stronger wall (microvm)`,
    details: { capability: name, reason },
  });
}

function known(text: string, list: 'add' | 'drop'): string {
  const name = text.length <= 64 ? parseCapability(text) : undefined;
  if (name !== undefined) return name;
  const near = suggest(
    text.toUpperCase().startsWith('CAP_') ? text : `CAP_${text}`,
    CAPABILITY_NAMES,
  );
  throw new CaissonError('POLICY_INVALID', {
    layer: 'plan',
    message: `capabilities.${list}: ${JSON.stringify(text.slice(0, 64))} is not a capability`,
    hint: near === undefined ? 'capabilities(7) lists them' : `did you mean ${near}?`,
    details: { capability: text.slice(0, 64) },
  });
}
