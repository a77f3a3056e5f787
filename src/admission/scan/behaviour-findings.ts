/** What code did undeclared when it was run, as findings: each counts as what it is no longer a guess about. */
import type { Behaviour, Capability, Deed, Finding, ThreatFamily } from '../../core/admission.ts';
import { FAMILIES } from '../threat/families.ts';
import { NOWHERE } from './own-findings.ts';
import { showable } from './snippet.ts';

/** What was seen is no suspicion: it counts at least as what is refused by default. */
const SEEN = 80;
const EXCERPT_MAX = 160;

const OF_CAPABILITY: Readonly<Record<Capability, readonly [ThreatFamily, string]>> = {
  'child-process': ['child-process', 'started another program'],
  'dynamic-code': ['dynamic-code', 'made code of data'],
  environment: ['credential-harvesting', 'read its environment'],
  filesystem: ['filesystem', 'reached for a file that it was not given, or changed one'],
  'module-loading': ['module-loading', 'loaded other code'],
  'native-code': ['native-code', 'ran native code'],
  network: ['network', 'reached for the network'],
  persistence: ['persistence', 'arranged to be run again'],
  process: ['process-manipulation', 'made a system call that ordinary programs do not make'],
};

export function behaviourFindings({ undeclared }: Pick<Behaviour, 'undeclared'>): Finding[] {
  return undeclared.map(findingOf);
}

function findingOf({ capability, target, secret, count = 1 }: Deed): Finding {
  const [family, did] =
    secret === undefined
      ? OF_CAPABILITY[capability]
      : (['credential-harvesting', `reached for a secret (${secret})`] as const);
  const often = count > 1 ? `, ${count} times` : '';
  return {
    family,
    rule: `behaviour/${secret === undefined ? capability : 'secret'}`,
    score: Math.max(FAMILIES[family].base, SEEN),
    range: NOWHERE,
    excerpt: showable(target).slice(0, EXCERPT_MAX),
    explanation: `When it was run it ${did}${often}, and nobody declared ${capability}.`,
    remedy: `State ${capability} under declares (--declare ${capability}), or remove what does it.`,
    capability,
  };
}
