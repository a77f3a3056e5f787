/** Whether a statement is about this very code: what keeps a signature from being moved to other code. */
import type { Candidate } from '../../core/admission.ts';
import { quoted } from './quoted.ts';
import type { SignedStatement } from './statement.ts';

const LIMITS = ['timeoutMs', 'cpuMs', 'memoryBytes'] as const;
type LimitName = (typeof LIMITS)[number];

/** What code is signed as. */
export interface SignedSubject
  extends Pick<Candidate, 'name' | 'language' | 'digest' | 'declares'> {
  /** What its executions are given; a statement that bounds them is refused where it is not said. */
  readonly limits?: Readonly<Partial<Record<LimitName, number>>>;
}

/** @returns why it is about something else; undefined where it is about this */
export function whyUnbound(statement: SignedStatement, subject: SignedSubject): string | undefined {
  const [signed] = statement.subject;
  const { kind, declares, limits } = statement.predicate;
  if (signed?.digest.sha256 !== subject.digest) {
    return `other code was signed: sha256:${signed?.digest.sha256}, and this is sha256:${subject.digest}`;
  }
  if (signed.name !== subject.name) {
    return `it was signed as ${signed.name}, and this is ${quoted(subject.name)}`;
  }
  if (kind !== subject.language) return `it was signed as ${kind}, and this is ${subject.language}`;
  const beyond = (subject.declares ?? []).filter((each) => declares?.includes(each) === false);
  if (beyond.length > 0) return `it declares ${beyond.join(', ')}, which was not signed`;
  for (const name of LIMITS) {
    const most = limits?.[name];
    if (most === undefined) continue;
    const given = subject.limits?.[name];
    if (given === undefined) return `${name} was signed, and nobody says what it is here`;
    if (!(given <= most)) return `${name} is ${given}, and at most ${most} was signed`;
  }
  return undefined;
}
