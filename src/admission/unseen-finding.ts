import type { Capability, Finding } from '../core/admission.ts';

/** What counts for code that nobody can look at: as much as dynamic code, less where that is declared. */
export function unseenFinding(
  path: string,
  what: string,
  declares: readonly Capability[],
): { readonly score: number; readonly findings: readonly Finding[] } {
  const native = what.startsWith('native');
  const capability = native ? 'native-code' : 'dynamic-code';
  const score = native
    ? declares.includes(capability)
      ? 0
      : 70
    : declares.includes(capability)
      ? 40
      : 80;
  const at = { start: 0, end: 0, line: 1, column: 1, endLine: 1, endColumn: 1 };
  const finding: Finding = {
    family: capability,
    rule: native ? 'command/native-code' : 'command/unseen-code',
    score,
    path,
    range: at,
    excerpt: '',
    explanation: `The command runs ${what}: what that does cannot be told beforehand.`,
    remedy: native
      ? 'Declare native-code in the policy, or run the program from a system directory.'
      : 'Hand it in as a file or as text of JavaScript, Python or shell; or declare dynamic-code.',
    capability,
  };
  return { score, findings: [finding] };
}
