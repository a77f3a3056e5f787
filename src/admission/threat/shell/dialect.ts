/** Shell: commands and variables by name, and what its own commands print. */
import type { Dialect, DialectCall } from '../interpret/dialect.ts';
import { join, Known, NOTHING, withLabels } from '../interpret/known.ts';
import { plainDialect } from '../interpret/plain-dialect.ts';
import { LABELS } from '../labels.ts';
import { programName } from './commands.ts';
import { operate } from './operators.ts';
import { unquoteAnsi } from './quoting.ts';

const MOST_KEPT = 10_000;
const MOST_WORDS = 64;
const LONGEST = 1_000_000;
/** What a script is given, and what its shell knows of itself. */
const GIVEN = /^\$(?:\d+|[@*])$/;
const OWN =
  /^\$(?:[#?$!_0-]|IFS|PWD|OLDPWD|RANDOM|SECONDS|LINENO|OPTARG|OPTIND|REPLY|BASH_\w+|FUNCNAME)$/;

const globals = new Map<string, Known>();

function globalOf(name: string): Known {
  if (GIVEN.test(name)) return new Known(undefined, undefined, LABELS.caller);
  if (name === '$IFS') return new Known(' ', undefined);
  if (OWN.test(name)) return new Known(undefined, undefined);
  return new Known(undefined, `sh:${name}`);
}

export const shell: Dialect = {
  ...plainDialect((name) => `sh:${name}`),
  globalOf(name) {
    let value = globals.get(name);
    if (value === undefined) {
      value = globalOf(name);
      if (globals.size >= MOST_KEPT) globals.clear();
      globals.set(name, value);
    }
    return value;
  },
  memberOf: (path, key) =>
    key === '()' ? `${path}()` : key === undefined ? `${path}[]` : `${path}.${key}`,
  operate,
  programOf(text) {
    const [first, ...words] = text.trim().split(/\s+/, MOST_WORDS);
    if (first === undefined || first === '') return undefined;
    return { path: `sh:${programName(first)}`, words };
  },
  propertyOf(value, key) {
    // A variable that is no list is its only item.
    return key === '0' && value.shape === undefined ? value : undefined;
  },
  call: callKnown,
};

function callKnown(call: DialectCall): Known | undefined {
  switch (call.path) {
    case 'sh:echo':
      return printed(call, echo);
    case 'sh:printf':
      return printed(call, printf);
    case 'sh:cat':
    case 'sh:tee':
      return call.receiver !== undefined && (call.args.length === 0 || call.path === 'sh:tee')
        ? withLabels(call.receiver, 0, NOTHING)
        : undefined;
    default:
      return undefined;
  }
}

/** What stands in its words, where they are known. */
function printed(
  call: DialectCall,
  print: (words: readonly string[]) => string | undefined,
): Known | undefined {
  const { args, host, node } = call;
  const words: string[] = [];
  let value: Known | undefined;
  for (const arg of args) {
    value = join(value, new Known(undefined, undefined, arg.labels, arg.origins, arg.hidden));
    const { constant } = arg;
    if (constant === undefined || arg.also !== undefined) return undefined;
    words.push(String(constant));
  }
  const text = print(words);
  if (text === undefined || text.length > LONGEST) return undefined;
  const written = words.some((word) => word.includes(text.trim()));
  const hidden =
    args.find((arg) => arg.hidden !== undefined)?.hidden ?? (written ? undefined : 'encoded');
  if (hidden !== undefined) host.tell(node, text, hidden);
  return new Known(text, undefined, value?.labels ?? 0, value?.origins ?? NOTHING, hidden);
}

function echo(words: readonly string[]): string {
  let first = 0;
  let unquotes = false;
  for (; /^-[neE]+$/.test(words[first] ?? ''); first++)
    unquotes ||= (words[first] ?? '').includes('e');
  const text = words.slice(first).join(' ');
  return unquotes ? unquoteAnsi(text) : text;
}

/** `%s` and `%b` take the words behind the format, over and over. */
function printf(words: readonly string[]): string | undefined {
  const [format, ...given] = words[0] === '--' ? words.slice(1) : words;
  if (format === undefined || format === '-v') return undefined;
  let next = 0;
  const once = (): string =>
    unquoteAnsi(format).replace(/%(?:%|[-0-9.]*([a-zA-Z]))/g, (whole, kind?: string) => {
      if (whole === '%%') return '%';
      const word = given[next++] ?? '';
      return kind === 'b' ? unquoteAnsi(word) : word;
    });
  let text = once();
  while (next > 0 && next < given.length && text.length < LONGEST) text += once();
  return text;
}
