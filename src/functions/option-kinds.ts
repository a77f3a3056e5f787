/** The options of `call` and `eval`, and of which kind each is. No code, so that a client can load it, too. */
import type { KindsOf } from '../policy/known-options.ts';
import { EVALUATE, PLACE } from '../sandbox/option-kinds.ts';
import type { CallOptions } from './call.ts';
import type { EvalOptions } from './eval-source.ts';

const { args: _, ...evaluated } = EVALUATE;
const { export: __, wasm: ___, ...called } = evaluated;

export const CALL = { ...called, ...PLACE } satisfies KindsOf<CallOptions>;

export const EVAL = {
  ...evaluated,
  ...PLACE,
  input: 'any',
  stdin: 'content',
  env: 'textsByName',
  words: 'texts',
} as const satisfies KindsOf<EvalOptions>;
