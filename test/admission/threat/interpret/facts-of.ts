/** What the interpreter finds out about a piece of JavaScript. */
import { effectsOf } from '../../../../src/admission/threat/catalogue.ts';
import type { Facts, Use } from '../../../../src/admission/threat/facts.ts';
import { interpret } from '../../../../src/admission/threat/interpret/interpreter.ts';
import { javascript } from '../../../../src/admission/threat/javascript/dialect.ts';
import { lower } from '../../../../src/admission/threat/javascript/front-end.ts';

export function factsOf(source: string): Facts {
  const deadline = performance.now() + 20_000;
  return interpret(lower(source), source, javascript, effectsOf('javascript'), deadline).facts;
}

/** Paths that are called, in the order of the source. */
export function calledBy(source: string): readonly string[] {
  return factsOf(source)
    .uses.filter(({ form }) => form === 'call' || form === 'new' || form === 'tag')
    .map(({ path }) => path);
}

/** The first use of a path. */
export function useOf(source: string, path: string): Use {
  const { uses } = factsOf(source);
  const use = uses.find((one) => one.path === path && one.form !== 'read');
  if (use === undefined) throw new Error(`no use of ${path} among ${uses.map((one) => one.path)}`);
  return use;
}

/** What `seen(EXPRESSION)` is called with. */
export function seenValue(expression: string, before = ''): Use['args'][number] {
  const value = useOf(`${before};seen(${expression})`, 'global.seen').args[0];
  if (value === undefined) throw new Error('nothing was handed over');
  return value;
}
