/** What is asked of code before it runs, as `explain` tells it: the library's work, behind any wall. */
import type { Policy } from '../policy/policy.ts';
import type { Findings } from './findings.ts';

export function explainAdmission({ admission }: Policy, findings: Findings): void {
  if (admission === undefined) return;
  const { scan, requires, signers } = admission;
  if (scan !== undefined) {
    const { refuse, strengthen, profile, declares, model, waivers } = scan;
    const said = [
      `a score from ${refuse} on is refused`,
      ...(strengthen < refuse ? [`from ${strengthen} on it gets a stronger wall`] : []),
      `profile ${profile}`,
      ...(declares.length === 0 ? [] : [`may declare ${declares.join(', ')}`]),
      ...(model ? [] : ['without the model']),
      ...waivers.map(
        ({ rule, family, reason, expires }) =>
          `${rule ?? family} is waived until ${expires}: ${reason}`,
      ),
    ];
    findings.enforce(
      'admission.scan',
      said.join('; '),
      ['the library analyses code before it runs'],
      'admission',
    );
    findings.note(
      'admission: what code loads by itself (imports, plug-ins, what a build starts) is not looked at; the wall holds for it all the same',
    );
  }
  if (requires.length > 0) {
    const by = signers === undefined ? 'any trusted signer' : signers.join(', ') || 'nobody';
    const said = requires.map((each) => (each === 'proof' ? 'a proof' : `a signature by ${by}`));
    findings.enforce(
      'admission.requires',
      said.join(' and '),
      ['the library checks it before anything runs'],
      'admission',
    );
  }
}
