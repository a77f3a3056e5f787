/**
 * Calls of a caller's own functions in a guest: their source goes there with structured clones of the arguments, and a
 * clone of the result comes back. What a function closes over does not go along, so it is refused before anything runs.
 */
import { CaissonError } from '../core/error.ts';
import { checkOptions } from '../policy/known-options.ts';
import type { Evaluation } from '../sandbox/evaluation.ts';
import type { EvaluateOptions } from '../sandbox/evaluator.ts';
import type { PlaceOptions } from '../sandbox/place-options.ts';
import type { FreeName } from './free-names.ts';
import type { AnyFunction, FunctionSource } from './function-source.ts';
import { requireValue } from './guest-error.ts';
import { guestGlobals } from './guest-globals.ts';
import { CALL } from './option-kinds.ts';

/** What evaluates programs: a Caisson. */
export interface Evaluates {
  evaluate(
    language: 'javascript',
    source: string,
    options: EvaluateOptions & PlaceOptions,
  ): Promise<Evaluation>;
}

export type CallOptions = Omit<EvaluateOptions, 'args' | 'export' | 'wasm'> & PlaceOptions;

/** Read once for each function. */
const known = new WeakMap<AnyFunction, FunctionSource>();

/** @throws REQUEST_INVALID, GUEST_FAILED, GUEST_LIMIT, and what `evaluate` throws */
export async function callFunction(
  caisson: Evaluates,
  fn: AnyFunction,
  args: readonly unknown[],
  options: CallOptions = {},
): Promise<unknown> {
  requireCall(args, options);
  const source = known.get(fn) ?? (await read(fn));
  requireWhole(source, Object.keys(options.grants ?? {}));
  const evaluation = await caisson.evaluate('javascript', source.program, { ...options, args });
  return requireValue(evaluation, source.name, source.shift);
}

/** @throws REQUEST_INVALID */
function requireCall(args: unknown, options: unknown): void {
  if (!Array.isArray(args)) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'functions',
      message: 'the arguments of a call are no list',
      hint: 'write call(fn, [first, second], options)',
    });
  }
  checkOptions(options, 'call', CALL, 'functions');
}

async function read(fn: AnyFunction): Promise<FunctionSource> {
  // The parser is loaded for whoever sends functions.
  const { functionSource } = await import('./function-source.ts');
  const source = functionSource(fn);
  known.set(fn, source);
  return source;
}

/** @throws REQUEST_INVALID that names everything which the function would miss */
function requireWhole({ name, uses }: FunctionSource, granted: readonly string[]): void {
  const captured = uses.names.filter(
    (use) => !guestGlobals.has(use.name) && !granted.includes(use.name),
  );
  if (captured.length === 0 && uses.impossible.length === 0) return;
  const missing = [...captured, ...uses.impossible];
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'functions',
    message: `${name} uses what does not go along with it: ${missing.map(described).join(', ')}`,
    hint: hintFor(name, captured, uses.impossible),
    details: { captured, impossible: uses.impossible },
  });
}

function described({ name, line, column }: FreeName): string {
  const what = Object.hasOwn(globalThis, name) ? `${name} of Node` : name;
  return `${what} (line ${line}, column ${column} of its text)`;
}

function hintFor(
  own: string,
  captured: readonly FreeName[],
  impossible: readonly FreeName[],
): string {
  const [first] = captured;
  if (first === undefined) {
    const names = impossible.map(({ name }) => name).join(' and ');
    return `write it without ${names}: a guest has neither modules nor the object that a method came from`;
  }
  const { name } = first;
  if (own.endsWith(` ${name}`))
    return `give it a name of its own, to call itself by: function ${name}() {}`;
  if (Object.hasOwn(globalThis, name)) {
    return `a guest has no ${name}: pass what it needs of it as an argument, or grant a function: { grants: { … } }`;
  }
  return `pass ${name} as an argument, or grant it where it is a function: { grants: { ${name} } }`;
}
