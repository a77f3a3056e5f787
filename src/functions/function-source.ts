/**
 * From a function of the caller's to a program that makes the same function in a guest's realm, and what it would miss
 * there. Its text is all that is sent: what it closes over stays here.
 */
import type { ESTree } from 'meriyah';
import { isParseError, type ParseError, parseScript } from 'meriyah';
import { CaissonError } from '../core/error.ts';
import { type FreeName, type Uses, usesOf } from './free-names.ts';

// biome-ignore lint/suspicious/noExplicitAny: functions of any shape are sent.
export type AnyFunction = (...args: any[]) => any;

export interface FunctionSource {
  /** For messages. */
  readonly name: string;
  /** A script in strict mode whose value is the function. */
  readonly program: string;
  /** Characters of ours in the program's first line, before the function's own text. */
  readonly shift: number;
  /** What it does not bring along, in lines and columns of its own text. */
  readonly uses: Uses;
}

interface Form {
  readonly before: string;
  readonly after: string;
  readonly node: ESTree.Node;
  /** Of a method. */
  readonly property?: ESTree.Property;
  /** Of the text before it, when it was parsed. */
  readonly parsedAfter: number;
}

const STRICT = '"use strict";';
/** What V8 prints for what has no source. */
const NATIVE = /\{\s*\[native code\]\s*\}$/;
const OPTIONS = {
  next: true,
  loc: true,
  ranges: true,
  impliedStrict: true,
  webcompat: true,
  // What it is taken from has been parsed by V8 before.
  validateRegex: false,
} as const;

/** @throws REQUEST_INVALID for what has no text that stands for itself */
export function functionSource(fn: AnyFunction): FunctionSource {
  if (typeof fn !== 'function') throw refused('what is to be called', 'is no function', HINT);
  const name = nameOf(fn);
  const text = Function.prototype.toString.call(fn);
  if (NATIVE.test(text)) {
    const isBound = typeof fn.name === 'string' && fn.name.startsWith('bound ');
    const what = isBound ? 'is a bound function' : 'is a native function or a Proxy';
    throw refused(name, `${what}: it has no source that could be sent`, HINT);
  }
  try {
    const { before, after, node, property, parsedAfter } = formOf(text, name);
    if (hasHtmlComment(text, parsedAfter)) {
      throw refused(name, 'has <!-- or -->, a comment in a script and operators in a module', HINT);
    }
    const uses = usesOf(node);
    const own = (place: FreeName): FreeName =>
      place.line === 1 ? { ...place, column: place.column - parsedAfter } : place;
    return {
      name,
      program: `${STRICT}${before}${property === undefined ? text : padded(text, property)}${after}`,
      shift: STRICT.length + before.length,
      uses: { names: uses.names.map(own), impossible: uses.impossible.map(own) },
    };
  } catch (error) {
    if (error instanceof RangeError) throw refused(name, 'is nested too deeply to be read', HINT);
    throw error;
  }
}

const HINT = 'give a function that is written out: (a, b) => …, function or method';

/** An expression, or else a method of an object. */
function formOf(text: string, name: string): Form {
  const parsed = parse(`(${text})`);
  if (!isParseError(parsed)) {
    const [statement] = parsed.body;
    const node = statement?.type === 'ExpressionStatement' ? statement.expression : undefined;
    if (node?.type === 'ArrowFunctionExpression') {
      // In a function, for its `this` to be undefined.
      return { before: '(function(){return(', after: ')})()', node, parsedAfter: 1 };
    }
    if (node?.type === 'FunctionExpression') {
      return { before: '(', after: ')', node, parsedAfter: 1 };
    }
    throw refused(name, node?.type === 'ClassExpression' ? 'is a class' : 'is no function', HINT);
  }
  const asMethod = parse(`({${text}})`);
  if (isParseError(asMethod)) throw unreadable(name, text, parsed, asMethod);
  const [statement] = asMethod.body;
  const object = statement?.type === 'ExpressionStatement' ? statement.expression : undefined;
  const [property] = object?.type === 'ObjectExpression' ? object.properties : [];
  if (property?.type !== 'Property' || property.kind !== 'init' || !property.method) {
    throw refused(name, 'is a getter or setter', HINT);
  }
  return {
    before: '(Object.values({',
    after: '})[0])',
    node: property.value,
    property,
    parsedAfter: 2,
  };
}

function parse(text: string): ESTree.Program | ParseError {
  try {
    return parseScript(text, OPTIONS);
  } catch (error) {
    if (isParseError(error)) return error;
    throw error;
  }
}

/** Whether it would mean something else in a module than in the script that is sent. */
function hasHtmlComment(text: string, parsedAfter: number): boolean {
  if (!/<!--|-->/.test(text)) return false;
  let found = false;
  const onComment = (type: ESTree.CommentType): void => {
    if (type === 'HTMLOpen' || type === 'HTMLClose') found = true;
  };
  parseScript(parsedAfter === 1 ? `(${text}\n)` : `({${text}\n})`, { ...OPTIONS, onComment });
  return found;
}

/** A computed key is the caller's to compute: here a name of the same length takes its place. */
function padded(text: string, property: ESTree.Property): string {
  if (!property.computed) return text;
  const open = /^(?:async\b)?[\s*]*(?=\[)/.exec(text);
  if (open === null) return text;
  const from = open[0].length;
  const to = closing(property, text);
  return `${text.slice(0, from)}_${text.slice(from + 1, to).replaceAll(/[^\n]/g, ' ')}${text.slice(to)}`;
}

/** Just behind the bracket that closes a computed key. */
function closing({ key }: ESTree.Property, text: string): number {
  return text.indexOf(']', (key.end ?? 0) - '({'.length) + 1;
}

function unreadable(
  name: string,
  text: string,
  asFunction: ParseError,
  asMethod: ParseError,
): CaissonError {
  if (/^(?:async\b)?[\s*]*#/.test(text)) return refused(name, 'is a private method', HINT);
  // The reading that went further is the one that was meant.
  const isMethod = asMethod.start - 1 > asFunction.start;
  const { description, loc } = isMethod ? asMethod : asFunction;
  const { line } = loc.start;
  const column = loc.start.column + 1 - (line > 1 ? 0 : isMethod ? 2 : 1);
  return refused(
    name,
    `cannot be read as strict code: ${description} (line ${line}, column ${column} of its text)`,
    description.includes('import.meta')
      ? 'a guest has no modules: pass what it needs as an argument'
      : 'functions are sent as strict code, as in a module; write it without what strict code lacks',
    { line, column },
  );
}

function nameOf(fn: AnyFunction): string {
  const name: unknown = Object.getOwnPropertyDescriptor(fn, 'name')?.value;
  return typeof name === 'string' && name !== '' ? `the function ${name}` : 'the function';
}

function refused(name: string, why: string, hint: string, details = {}): CaissonError {
  const message = `${name} ${why}`;
  return new CaissonError('REQUEST_INVALID', { layer: 'functions', message, hint, details });
}
