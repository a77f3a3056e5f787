/** The options of what reads policies, and of which kind each is. */
import type { KindsOf } from './known-options.ts';
import type { ParseOptions, PolicyContext } from './parse.ts';
import type { SrtContext } from './srt/srt-context.ts';

export const POLICY_CONTEXT = {
  home: 'text',
  resolve: 'function',
} as const satisfies KindsOf<PolicyContext>;

export const PARSE = {
  ...POLICY_CONTEXT,
  source: 'text',
  format: ['yaml', 'json'],
} as const satisfies KindsOf<ParseOptions>;

export const SRT_CONTEXT = {
  home: 'text',
  cwd: 'text',
  look: 'function',
  expand: 'function',
  source: 'text',
} as const satisfies KindsOf<SrtContext>;
