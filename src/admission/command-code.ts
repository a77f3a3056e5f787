/**
 * What of a command is code: the line itself, text for an interpreter among its words or on its stdin, scripts that it
 * names. Which program a word is at the end is for the guest's PATH to say: here it goes by its name.
 */
import { basename, extname } from 'node:path';
import type { CodeLanguage } from '../core/admission.ts';

export type ReadLanguage = Exclude<CodeLanguage, 'wasm' | 'command'>;

/** One thing that a command runs. */
export type CommandPart =
  | {
      readonly kind: 'text';
      readonly name: string;
      readonly language: ReadLanguage;
      readonly text: string;
    }
  /** A file of the guest's; `language` where it does not tell by itself; `maybe`: it need not be there. */
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly language?: ReadLanguage;
      readonly maybe?: true;
    }
  | { readonly kind: 'stdin'; readonly language: ReadLanguage }
  /** Code in a language that nobody reads here. */
  | { readonly kind: 'unread'; readonly name: string; readonly what: string };

interface Interpreter {
  readonly language: ReadLanguage | undefined;
  /** Options whose next word is code, as whole words or as the last letter of a group of short ones. */
  readonly text: RegExp;
  /** Options whose next word is their value. */
  readonly takes: RegExp;
  /** Options whose next word is a file that is run, too. */
  readonly loads?: RegExp;
  /** Options with which it runs no script. */
  readonly none?: RegExp;
}

const NEVER = /^(?!)/;
const SHELL: Interpreter = {
  language: 'shell',
  text: /^-[a-zA-Z]*c[a-zA-Z]*$/,
  takes: /^([-+][oO]|--init-file|--rcfile)$/,
  loads: /^(--init-file|--rcfile)$/,
  none: /^--(version|help)$/,
};
const PYTHON: Interpreter = {
  language: 'python',
  text: /^-[a-zA-Z]*c$/,
  takes: /^-[WX]$|^--check-hash-based-pycs$/,
  none: /^(-V|-VV|--version|-h|--help)$/,
};
const NODE: Interpreter = {
  language: 'javascript',
  text: /^(-[a-z]*[ep]|--eval|--print)$/,
  takes: /^(-C|--conditions|--input-type|--title|--env-file)$/,
  loads: /^(-r|--require|--import|--loader|--experimental-loader)$/,
  none: /^(-v|--version|-h|--help|--test)$/,
};
/** Read by nobody here: their text counts as unseen. */
const OTHER: Interpreter = {
  language: undefined,
  text: /^(-[a-zA-Z]*[eEr]|--eval|--run)$/,
  takes: NEVER,
};

/** Hand their text to a shell. */
const AS_SHELL: Interpreter = {
  language: 'shell',
  text: /^(-[a-z]*c|--command)$/,
  takes: /^(-s|--shell|-g|-G|--group)$/,
  none: /^(-V|--version|-h|--help)$/,
};

const INTERPRETERS: readonly (readonly [RegExp, Interpreter])[] = [
  [/^(ba|da|z|k|mk|a|r|rba)?sh$/, SHELL],
  [/^(su|runuser|script)$/, AS_SHELL],
  [/^(python|pypy)[0-9.]*[a-z]?$/, PYTHON],
  [/^(node|nodejs|deno|bun|tsx|ts-node)[0-9.]*$/, NODE],
  [/^(perl|ruby|php|lua|luajit|tclsh|Rscript|osascript|pwsh|fish|guile)[0-9.-]*$/, OTHER],
];
/** Programs that run the command in their later words. Options with a value are told apart by name. */
const WRAPPERS: Readonly<Record<string, RegExp>> = {
  env: /^(-u|--unset|-C|--chdir)$/,
  nice: /^(-n|--adjustment)$/,
  nohup: NEVER,
  setsid: NEVER,
  stdbuf: /^-[ioe]$/,
  sudo: /^-[ugCDhpRrtT]$/,
  time: /^-[fo]$/,
  timeout: /^(-k|-s|--kill-after|--signal)$/,
  xargs: /^-[aEIdLnPs]$/,
  exec: NEVER,
  command: NEVER,
  ionice: /^-[cnpPu]$/,
  unshare: NEVER,
  chrt: NEVER,
  busybox: NEVER,
};
const DEPTH_MAX = 8;
const LANGUAGES: Readonly<Record<string, ReadLanguage>> = {
  '.sh': 'shell',
  '.bash': 'shell',
  '.py': 'python',
  '.pyw': 'python',
  '.js': 'javascript',
  '.mjs': 'javascript',
  '.cjs': 'javascript',
  '.ts': 'typescript',
  '.mts': 'typescript',
  '.cts': 'typescript',
};

export function commandParts(argv: readonly string[]): readonly CommandPart[] {
  const line: CommandPart = {
    kind: 'text',
    name: 'command line',
    language: 'shell',
    text: argv.map(quoted).join(' '),
  };
  return [line, ...partsOf(argv, 0, 0)];
}

/** What a file is written in: by its name, else by its first line; undefined: nothing that is read here. */
export function languageOfFile(path: string, content: Uint8Array): ReadLanguage | undefined {
  const named = LANGUAGES[extname(path)];
  if (named !== undefined) return named;
  const first = Buffer.from(content.subarray(0, 256)).toString('latin1').split('\n', 1)[0] ?? '';
  if (!first.startsWith('#!')) return undefined;
  const words = first.slice(2).trim().split(/\s+/);
  const program = basename(words[0] ?? '') === 'env' ? words.find(isProgram) : words[0];
  return interpreterOf(program ?? '')?.language;
}

export function isNative(content: Uint8Array): boolean {
  return Buffer.from(content.subarray(0, 4)).equals(Buffer.from([0x7f, 0x45, 0x4c, 0x46]));
}

function isProgram(word: string, at: number): boolean {
  return at > 0 && !word.startsWith('-') && !word.includes('=');
}

function partsOf(argv: readonly string[], at: number, depth: number): CommandPart[] {
  const command = argv[at];
  if (command === undefined) return [];
  if (depth > DEPTH_MAX) {
    return [{ kind: 'unread', name: `argv[${at}]`, what: 'a command behind many wrappers' }];
  }
  const name = basename(command);
  const takes = Object.hasOwn(WRAPPERS, name) ? WRAPPERS[name] : undefined;
  if (takes !== undefined) return wrapped(argv, at, name, takes, depth);
  const own: CommandPart[] = command.includes('/') ? [{ kind: 'file', path: command }] : [];
  const interpreter = interpreterOf(name);
  if (interpreter !== undefined) return [...own, ...interpreted(argv, at, interpreter)];
  if (name === 'source' || name === '.') {
    const path = argv[at + 1];
    return path === undefined ? own : [...own, { kind: 'file', path, language: 'shell' }];
  }
  return [...own, ...handedOn(argv, at)];
}

/** Programs that run others (`find -exec`, `strace`, `flock`) are many: an interpreter and its text among the words is one. */
function handedOn(argv: readonly string[], at: number): CommandPart[] {
  for (let i = at + 1; i + 1 < argv.length; i++) {
    const interpreter = interpreterOf(argv[i] ?? '');
    if (interpreter?.text.test(argv[i + 1] ?? '') === true) {
      return interpreted(argv, i, interpreter);
    }
  }
  return [];
}

/** Every word that could be the command is taken for it: one reading too many is looked at, none too few. */
function wrapped(
  argv: readonly string[],
  at: number,
  name: string,
  takes: RegExp,
  depth: number,
): CommandPart[] {
  // env splits one word into a whole command line.
  const split = name === 'env' ? splitWord(argv, at) : undefined;
  if (split !== undefined) {
    return [{ kind: 'text', name: `argv[${split.at}]`, language: 'shell', text: split.text }];
  }
  let i = at + 1;
  while (i < argv.length) {
    const word = argv[i] ?? '';
    if (word === '--') {
      i++;
      break;
    }
    if (takes.test(word)) i += 2;
    else if (word.startsWith('-') || (name === 'env' && /^[A-Za-z_]\w*=/.test(word))) i++;
    else break;
  }
  // `timeout 5 cmd`, `chrt 10 cmd`.
  while (/^[\d.]+[smhd]?$/.test(argv[i] ?? '')) i++;
  while (name === 'env' && /^[A-Za-z_]\w*=/.test(argv[i] ?? '')) i++;
  return partsOf(argv, i, depth + 1);
}

function splitWord(
  argv: readonly string[],
  from: number,
): { readonly at: number; readonly text: string } | undefined {
  for (let at = from + 1; at < argv.length && (argv[at] ?? '').startsWith('-'); at++) {
    const word = argv[at] ?? '';
    const joined = /^(?:-[a-z0]*S|--split-string=)(.+)$/s.exec(word);
    if (joined?.[1] !== undefined)
      return { at, text: [joined[1], ...argv.slice(at + 1)].join(' ') };
    if (/^-[a-z0]*S$|^--split-string$/.test(word)) {
      return { at: at + 1, text: argv.slice(at + 1).join(' ') };
    }
  }
  return undefined;
}

function interpreted(
  argv: readonly string[],
  at: number,
  { language, text, takes, loads, none }: Interpreter,
): CommandPart[] {
  const parts: CommandPart[] = [];
  const add = (name: string, code: string): void => {
    if (language === undefined) parts.push({ kind: 'unread', name, what: argv[at] ?? '' });
    else parts.push({ kind: 'text', name, language, text: code });
  };
  for (let i = at + 1; i < argv.length; i++) {
    const word = argv[i] ?? '';
    const joined = /^(--eval|--print|--import|--require|--loader)=(.*)$/s.exec(word);
    if (joined?.[1] !== undefined && joined[2] !== undefined) {
      if (joined[1] === '--eval' || joined[1] === '--print') {
        add(`argv[${i}]`, joined[2]);
        return parts;
      }
      parts.push({ kind: 'file', path: joined[2] });
    } else if (language === 'python' && /^-[a-zA-Z]*m/.test(word)) {
      return [...parts, ...pythonModule(word.replace(/^-[a-zA-Z]*?m/, '') || argv[i + 1])];
    } else if (none?.test(word) === true) return parts;
    else if (text.test(word)) {
      // `sh -c -- TEXT`
      const next = argv[i + 1] === '--' ? i + 2 : i + 1;
      const code = argv[next];
      if (code !== undefined) add(`argv[${next}]`, code);
      return parts;
    } else if (/^-c./s.test(word) && language === 'python') {
      add(`argv[${i}]`, word.slice(2));
      return parts;
    } else if (loads?.test(word) === true) {
      const path = argv[++i];
      if (path !== undefined) parts.push({ kind: 'file', path });
    } else if (takes.test(word)) i++;
    else if (word === '-' || /^-[a-z]*s$/.test(word)) break;
    else if (!/^[-+]/.test(word) || word === '--') {
      // deno run FILE, deno eval TEXT, bun run FILE
      if (/^(run|x)$/.test(word) && language === 'javascript') continue;
      if (word === 'eval' && language === 'javascript') {
        add(`argv[${i + 1}]`, argv[i + 1] ?? '');
        return parts;
      }
      const path = word === '--' ? argv[i + 1] : word;
      if (path === undefined) break;
      if (language === undefined) parts.push({ kind: 'unread', name: path, what: argv[at] ?? '' });
      else parts.push({ kind: 'file', path, language });
      return parts;
    }
  }
  if (language === undefined) parts.push({ kind: 'unread', name: 'stdin', what: argv[at] ?? '' });
  else parts.push({ kind: 'stdin', language });
  return parts;
}

/** Where the directory has one of that name it goes before what is installed. */
function pythonModule(name: string | undefined): CommandPart[] {
  const path = name?.replaceAll('.', '/');
  if (path === undefined) return [];
  return [`${path}.py`, `${path}/__init__.py`, `${path}/__main__.py`].map((each) => ({
    kind: 'file',
    path: each,
    language: 'python',
    maybe: true,
  }));
}

function interpreterOf(command: string): Interpreter | undefined {
  const name = basename(command);
  return INTERPRETERS.find(([pattern]) => pattern.test(name))?.[1];
}

/** A word as a shell reads it, whatever it holds. */
function quoted(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
