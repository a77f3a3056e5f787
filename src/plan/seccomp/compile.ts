/**
 * From the policy table to a seccomp filter.
 *
 * The shape: one look at the architecture, then a balanced search over ranges of numbers with equal actions. Rules
 * without arguments end in a return, which the kernel (5.11 and later) reads off beforehand for each number and keeps
 * in a bitmap, so that such calls cost the same whatever the filter holds; argument checks sit in the leaves.
 */
import { CaissonError } from '../../core/error.ts';
import type { Policy } from '../../policy/policy.ts';
import {
  type Action,
  type CheckedAction,
  type Condition,
  decide,
  ENOSYS,
  errnos,
  type PlainAction,
} from './action.ts';
import {
  prctlWithoutTsc,
  socketFamilies,
  socketFamiliesButUnix,
  socketFamiliesWith,
} from './checks.ts';
import { handedOver } from './notified.ts';
import { auditArch, type SeccompArch, syscallNames } from './numbers.ts';
import { observedNames } from './observed.ts';
import { decidePolicy } from './policy-table.ts';
import {
  Assembler,
  encodeProgram,
  type Instruction,
  type Label,
  MAX_INSTRUCTIONS,
  offset,
  ret,
} from './program.ts';

export interface SeccompRequest {
  readonly arch: SeccompArch;
  readonly preset: Policy['syscalls']['preset'];
  /** Names of system calls; one that the architecture does not have is no error. */
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  /** Refusals of the escape class are handed to the launcher, to be recorded. Absent: the filter refuses them itself. */
  readonly notify?: boolean;
  /** What is allowed of calls on files goes by an observer (`observed.ts`). */
  readonly observe?: boolean;
  /** No process may give itself the time stamp counter back. Absent: nothing is kept from it. */
  readonly keepTsc?: boolean;
  /** Protocols beside TCP, UDP and ICMP whose sockets may be opened. Absent: none. */
  readonly packets?: readonly (number | 'other')[];
}

/**
 * The filter for a policy, as an array of `struct sock_filter`.
 *
 * @throws CaissonError `POLICY_INVALID`, see {@link decidePolicy}
 * @example
 * compileSeccomp({ arch: 'x86_64', preset: 'default', deny: ['ptrace'] });
 */
export function compileSeccomp(request: SeccompRequest): Uint8Array {
  const { arch, preset, allow = [], deny = [], notify = false, keepTsc = false } = request;
  const { packets = [], observe = false } = request;
  const key = JSON.stringify([arch, preset, allow, deny, notify, keepTsc, packets, observe]);
  let bytes = compiled.get(key);
  if (bytes === undefined) {
    bytes = encodeProgram(compileActions(auditArch[arch], seccompActions(request)));
    if (compiled.size >= COMPILED_MAX) compiled.clear();
    compiled.set(key, bytes);
  }
  return bytes.slice();
}

/** Most policies have one of a few filters, and compiling one is a fifth of compiling a plan. */
const compiled = new Map<string, Uint8Array>();
const COMPILED_MAX = 16;

/** What the filter of a policy must answer, by number. What is not in it is unknown: ENOSYS. */
export function seccompActions(request: SeccompRequest): ReadonlyMap<number, Action> {
  const { arch, preset, allow = [], deny = [], notify = false } = request;
  const byName = new Map(
    decidePolicy({ preset, allow, deny }).map(({ name, decided }) => [
      name,
      notify ? handedOver(name, decided) : decided,
    ]),
  );
  if (request.keepTsc === true && byName.get('prctl')?.kind === 'allow') {
    byName.set('prctl', prctlWithoutTsc);
  }
  const { packets = [] } = request;
  const families = [socketFamilies, socketFamiliesButUnix].find(
    (each) => each === byName.get('socket'),
  );
  if (packets.length > 0 && families !== undefined) {
    byName.set('socket', socketFamiliesWith(packets, families));
  }
  if (request.observe === true) {
    for (const name of observedNames) {
      if (byName.get(name)?.kind === 'allow') byName.set(name, { kind: 'allow', observed: true });
    }
  }
  return new Map(
    [...syscallNames[arch]].map(([number, name]) => [number, byName.get(name) ?? ENOSYS]),
  );
}

/** Numbers up to the next range's first, the last one without end: x32's numbers fall into it. */
interface Range {
  readonly first: number;
  readonly action: Action;
}

/**
 * Any other architecture ends the process: its calls have other numbers, and no program of this one makes them.
 * An unknown number, those with the x32 bit among them, is answered as by a kernel that does not have it.
 */
export function compileActions(
  arch: number,
  actions: ReadonlyMap<number, Action>,
  errnoValue: ErrnoValue = ({ errno }) => errnos[errno],
): readonly Instruction[] {
  const assembler = new Assembler();
  const end = (action: PlainAction): Label => assembler.ret(answerOf(action, errnoValue));
  const search = emitSearch(assembler, rangesOf(actions), end);
  const number = assembler.load(offset.number, search);
  const foreign = assembler.ret(ret.killProcess);
  // The return just put stands between; the assembler steps over it.
  assembler.load(offset.arch, assembler.jumpEqual(arch, number, foreign));
  const program = assembler.finish();
  if (program.length > MAX_INSTRUCTIONS) {
    throw new CaissonError('INTERNAL', {
      layer: 'plan',
      message: `a filter of ${program.length} instructions is longer than the kernel takes`,
    });
  }
  return program;
}

/**
 * SECCOMP_RET_DATA, which the kernel has no use for here: by it the launcher knows what is allowed where nobody listens
 * (native/launcher/confine.c).
 */
const OBSERVED = 1;

type ErrnoValue = (action: PlainAction & { kind: 'errno' }) => number;

function answerOf(action: PlainAction, errnoValue: ErrnoValue): number {
  if (action.kind === 'allow') {
    return action.observed === true ? ret.userNotif | OBSERVED : ret.allow;
  }
  return action.kind === 'notify' ? ret.userNotif : ret.errno | errnoValue(action);
}

function rangesOf(actions: ReadonlyMap<number, Action>): readonly Range[] {
  const ranges: Range[] = [];
  const append = (first: number, action: Action): void => {
    const last = ranges.at(-1);
    if (last === undefined || !sameAction(last.action, action)) ranges.push({ first, action });
  };
  let next = 0;
  for (const [number, action] of [...actions].sort(([a], [b]) => a - b)) {
    if (number > next || ranges.length === 0) append(next, number > next ? ENOSYS : action);
    append(number, action);
    next = number + 1;
  }
  append(next, ENOSYS);
  return ranges;
}

function sameAction(a: Action, b: Action): boolean {
  if (a.kind === 'errno' && b.kind === 'errno') return a.errno === b.errno;
  if (a.kind === 'notify' && b.kind === 'notify') return true;
  if (a.kind === 'allow' && b.kind === 'allow') return a.observed === b.observed;
  return a === b;
}

function emitSearch(
  assembler: Assembler,
  ranges: readonly Range[],
  end: (action: PlainAction) => Label,
): Label {
  const middle = ranges.length >> 1;
  const right = ranges[middle];
  if (right === undefined) return end(ENOSYS);
  if (middle === 0) return emitAction(assembler, right.action, end);
  const upper = emitSearch(assembler, ranges.slice(middle), end);
  const lower = emitSearch(assembler, ranges.slice(0, middle), end);
  return assembler.jumpAtLeast(right.first, upper, lower);
}

function emitAction(
  assembler: Assembler,
  action: Action,
  end: (action: PlainAction) => Label,
): Label {
  return action.kind === 'check' ? emitCheck(assembler, action, end) : end(action);
}

function emitCheck(
  assembler: Assembler,
  check: CheckedAction,
  end: (action: PlainAction) => Label,
): Label {
  return check.clauses.reduceRight(
    (otherwise, { when, answer }) =>
      when.reduceRight(
        (holds, condition) => emitCondition(assembler, condition, holds, otherwise),
        end(answer),
      ),
    end(check.otherwise),
  );
}

function emitCondition(
  assembler: Assembler,
  { argument, mask, test }: Condition,
  yes: Label,
  no: Label,
): Label {
  const compared =
    test === 'any'
      ? assembler.jumpEqual(0, no, yes)
      : test.in.reduceRight((rest, value) => assembler.jumpEqual(value, yes, rest), no);
  const masked = mask === undefined ? compared : assembler.and(mask, compared);
  return assembler.load(offset.argumentLow(argument), masked);
}

/** What the table says to a call, unknown numbers included: what the filter is proved equal to. */
export function expectedAction(
  actions: ReadonlyMap<number, Action>,
  number: number,
  args: readonly bigint[],
): PlainAction {
  return decide(actions.get(number) ?? ENOSYS, args);
}
