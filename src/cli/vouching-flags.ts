/** What a command line says for the code that it runs: who signed it and as what, and what it declares. */
import { CAPABILITIES } from '../core/admission.ts';
import type { Flags } from './command.ts';

export const vouchingFlags = {
  signature: {
    value: 'FILE',
    completes: 'file',
    repeatable: true,
    summary: 'What caisson sign wrote (DSSE), or a Sigstore bundle; for a policy that asks',
  },
  id: {
    value: 'ID[@VERSION]',
    summary: 'What it was signed as; default: the name of its file, of a command its first word',
  },
  declare: {
    value: 'EFFECT',
    choices: CAPABILITIES,
    repeatable: true,
    summary:
      'An effect that it says it has, and no others; default: all that the policy lets be declared',
  },
  trust: {
    value: 'FILE',
    completes: 'file',
    summary: 'Registry of trusted signers; default: trusted-signers.yaml in the state directory',
  },
} as const satisfies Flags;

export type VouchingFlags = typeof vouchingFlags;
