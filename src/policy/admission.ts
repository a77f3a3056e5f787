/**
 * What is asked of code before it may run, and the order on it.
 *
 * A policy that says nothing of it asks nothing of what is run or evaluated, and the usual (`USUAL`) of modules that are
 * registered: so an unsaid one lies between `{scan: off}` and everything that is asked of both.
 */
import type { AdmissionPolicy, Policy, ScanPolicy } from './policy.ts';
import { coversWaiver, describeWaiver, meetWaivers, reduceWaivers } from './waiver.ts';

/** What a module is asked where its policy says nothing. */
export const USUAL: AdmissionPolicy = Object.freeze({
  scan: Object.freeze({
    refuse: 80,
    strengthen: 40,
    profile: 'effect',
    declares: Object.freeze([]),
    model: true,
    waivers: Object.freeze([]),
  }),
  requires: Object.freeze([]),
});

/** Nothing is asked. */
export const NOTHING: AdmissionPolicy = Object.freeze({ requires: Object.freeze([]) });

/** For a policy made of two: `stricter` asks what either asks, `weaker` only what both ask. */
export function combineAdmission(
  pick: 'stricter' | 'weaker',
  a: Pick<Policy, 'admission'>,
  b: Pick<Policy, 'admission'>,
): Pick<Policy, 'admission'> {
  const combine = pick === 'stricter' ? meet : join;
  const [x, y] = [demandsOf(a), demandsOf(b)];
  const runs = combine(x.runs, y.runs);
  const modules = combine(x.modules, y.modules);
  if (isSame(runs, modules)) return { admission: runs };
  if (isSame(runs, NOTHING) && isSame(modules, USUAL)) return {};
  // No policy says one thing of runs and another of modules, but for the two above.
  return { admission: combine(runs, modules) };
}

/** What `of` may and `over` may not. */
export function admissionExcess(
  of: Pick<Policy, 'admission'>,
  over: Pick<Policy, 'admission'>,
): { clause: string; may: string }[] {
  const [wide, narrow] = [demandsOf(of), demandsOf(over)];
  const runs = demandExcess(wide.runs, narrow.runs, 'run');
  if (of.admission !== undefined && over.admission !== undefined) return runs;
  return [...runs, ...demandExcess(wide.modules, narrow.modules, 'register and run')];
}

interface Demands {
  readonly runs: AdmissionPolicy;
  readonly modules: AdmissionPolicy;
}

function demandsOf({ admission }: Pick<Policy, 'admission'>): Demands {
  return admission === undefined
    ? { runs: NOTHING, modules: USUAL }
    : { runs: admission, modules: admission };
}

function demandExcess(
  of: AdmissionPolicy,
  over: AdmissionPolicy,
  run: string,
): { clause: string; may: string }[] {
  const found: { clause: string; may: string }[] = [];
  const add = (key: string, may: string) => found.push({ clause: `admission.${key}`, may });
  if (over.scan !== undefined) {
    if (of.scan === undefined) add('scan', `${run} code that has not been scanned`);
    else scanExcess(of.scan, over.scan, run, add);
  }
  for (const each of over.requires) {
    if (!of.requires.includes(each)) add('requires', `${run} code without a ${each}`);
  }
  if (of.requires.includes('signature') && over.signers !== undefined) {
    const signers = over.signers;
    if (of.signers === undefined) add('signers', `${run} what any trusted signer has signed`);
    for (const name of of.signers ?? []) {
      if (!signers.includes(name)) add('signers', `${run} what ${name} has signed`);
    }
  }
  return found;
}

function scanExcess(
  of: ScanPolicy,
  over: ScanPolicy,
  run: string,
  add: (key: string, may: string) => unknown,
): void {
  if (of.refuse > over.refuse) {
    add('refuse', `${run} code with a score of ${of.refuse - 1} (over ${over.refuse - 1})`);
  }
  if (of.strengthen > over.strengthen) {
    const [wide, narrow] = [of.strengthen, over.strengthen];
    const least = narrow === 0 ? 'none' : narrow - 1;
    add(
      'strengthen',
      `${run} code with a score of ${wide - 1} behind no stronger wall (over ${least})`,
    );
  }
  if (of.profile === 'package' && over.profile === 'effect') {
    add('profile', `${run} code that does what packages do`);
  }
  for (const each of of.declares) {
    if (!over.declares.includes(each)) add('declares', `${run} code that declares ${each}`);
  }
  if (over.model && !of.model) add('model', `${run} code that the model has not looked at`);
  for (const each of of.waivers) {
    if (over.waivers.some((other) => coversWaiver(other, each))) continue;
    add('waivers', `${run} code in spite of ${describeWaiver(each)}`);
  }
}

function meet(a: AdmissionPolicy, b: AdmissionPolicy): AdmissionPolicy {
  const [x, y] = [a.scan, b.scan];
  const scan = x === undefined ? y : y === undefined ? x : meetScans(x, y);
  const signers =
    a.signers === undefined
      ? b.signers
      : b.signers === undefined
        ? a.signers
        : a.signers.filter((name) => b.signers?.includes(name));
  return {
    ...(scan === undefined ? {} : { scan }),
    requires: [...new Set([...a.requires, ...b.requires])].sort(),
    ...(signers === undefined ? {} : { signers }),
  };
}

function join(a: AdmissionPolicy, b: AdmissionPolicy): AdmissionPolicy {
  const requires = a.requires.filter((each) => b.requires.includes(each));
  const named =
    requires.includes('signature') && a.signers !== undefined && b.signers !== undefined;
  return {
    ...(a.scan === undefined || b.scan === undefined ? {} : { scan: joinScans(a.scan, b.scan) }),
    requires,
    ...(named
      ? { signers: [...new Set([...(a.signers ?? []), ...(b.signers ?? [])])].sort() }
      : {}),
  };
}

function meetScans(a: ScanPolicy, b: ScanPolicy): ScanPolicy {
  return {
    refuse: Math.min(a.refuse, b.refuse),
    strengthen: Math.min(a.strengthen, b.strengthen),
    profile: a.profile === 'effect' ? a.profile : b.profile,
    declares: a.declares.filter((each) => b.declares.includes(each)),
    model: a.model || b.model,
    waivers: reduceWaivers(
      a.waivers.flatMap((one) => b.waivers.flatMap((other) => meetWaivers(one, other) ?? [])),
    ),
  };
}

function joinScans(a: ScanPolicy, b: ScanPolicy): ScanPolicy {
  return {
    refuse: Math.max(a.refuse, b.refuse),
    strengthen: Math.max(a.strengthen, b.strengthen),
    profile: a.profile === 'package' ? a.profile : b.profile,
    declares: [...new Set([...a.declares, ...b.declares])].sort(),
    model: a.model && b.model,
    waivers: reduceWaivers([...a.waivers, ...b.waivers]),
  };
}

function isSame(a: AdmissionPolicy, b: AdmissionPolicy): boolean {
  return demandExcess(a, b, '').length === 0 && demandExcess(b, a, '').length === 0;
}
