/**
 * Which files are code, and in what language: by extension, else by the interpreter that they name in their first line,
 * else by what a manifest says of them.
 */
import { extname } from 'node:path/posix';

export type ScanLanguage = 'javascript' | 'typescript' | 'python' | 'shell';

/** Why a file was not analysed. */
export type SkipReason =
  /** No code: text, data, pictures. */
  | 'data'
  /** Code in a language that nothing here reads. */
  | 'foreign-language'
  /** Machine code: ELF, PE, Mach-O. */
  | 'machine-code'
  /** Compiled Python, Java: no source stands beside it as far as is known. */
  | 'bytecode'
  | 'wasm'
  /** Symbolic links: what they lead to is looked at where it lies, if it lies in what is scanned. */
  | 'link'
  /** Pipes, sockets, devices. */
  | 'special'
  | 'empty';

export type FileKind = { readonly language: ScanLanguage } | { readonly skip: SkipReason };

const LANGUAGES: Readonly<Record<string, ScanLanguage>> = {
  '.js': 'javascript',
  '.cjs': 'javascript',
  '.mjs': 'javascript',
  '.jsx': 'javascript',
  '.es6': 'javascript',
  '.ts': 'typescript',
  '.cts': 'typescript',
  '.mts': 'typescript',
  '.tsx': 'typescript',
  '.py': 'python',
  '.pyw': 'python',
  '.pyi': 'python',
  // Lines that begin with `import` are run whenever an interpreter starts (docs of Python, site).
  '.pth': 'python',
  '.sh': 'shell',
  '.bash': 'shell',
  '.zsh': 'shell',
  '.ksh': 'shell',
  '.dash': 'shell',
};

const FOREIGN =
  /^\.(rb|pl|pm|php\d?|phtml|lua|ps1|psm1|bat|cmd|vbs|vbe|wsf|hta|jse|java|go|rs|c|cc|cpp|cxx|h|hpp|cs|fs|swift|kt|scala|clj|ex|exs|erl|hs|r|jl|dart|m|mm|awk|tcl|coffee|fish|nu|pyx|pxd|gyp|gypi|cmake|mk|html?|xhtml|svg|vue|svelte)$/i;
const BYTECODE = /^\.(pyc|pyo|class|jsc|luac)$/i;
/** Extensions that say of themselves that they are no code; anything else is looked into. */
const DATA =
  /^\.(md|markdown|txt|rst|json|json5|jsonc|map|ya?ml|toml|lock|csv|tsv|xml|css|scss|sass|less|png|jpe?g|gif|webp|ico|bmp|tiff?|avif|woff2?|ttf|otf|eot|mp[34]|ogg|wav|webm|pdf|snap|log|pem|crt|po|mo|flow|d|typed|tsbuildinfo|parquet|npy|npz)$/i;

const INTERPRETERS: readonly (readonly [RegExp, ScanLanguage])[] = [
  [/^(node|nodejs|deno|bun|qjs|rhino)$/, 'javascript'],
  [/^(ts-node|tsx)$/, 'typescript'],
  [/^(python[\d.]*|pypy[\d.]*|ipython)$/, 'python'],
  [/^(sh|bash|dash|ash|zsh|ksh|mksh|busybox)$/, 'shell'],
];

/** Bytes that {@link kindOfFile} wants to see. */
export const HEAD_BYTES = 512;

/** Whether the name alone decides, so that the content need not be opened. */
export function kindOfName(path: string): FileKind | undefined {
  const extension = extname(path).toLowerCase();
  const language = LANGUAGES[extension];
  if (language !== undefined) return { language };
  return DATA.test(extension) ? { skip: 'data' } : undefined;
}

/** @param head the first {@link HEAD_BYTES}, or all there are */
export function kindOfFile(path: string, head: Uint8Array): FileKind {
  const named = kindOfName(path);
  if (named !== undefined) return named;
  if (head.length === 0) return { skip: 'empty' };
  const binary = binaryKind(head);
  if (binary !== undefined) return { skip: binary };
  const extension = extname(path).toLowerCase();
  if (BYTECODE.test(extension)) return { skip: 'bytecode' };
  const interpreter = interpreterOf(head);
  if (interpreter !== undefined) {
    const known = INTERPRETERS.find(([pattern]) => pattern.test(interpreter));
    return known === undefined ? { skip: 'foreign-language' } : { language: known[1] };
  }
  return { skip: FOREIGN.test(extension) ? 'foreign-language' : 'data' };
}

function binaryKind(head: Uint8Array): SkipReason | undefined {
  const starts = (...bytes: number[]): boolean => bytes.every((byte, at) => head[at] === byte);
  if (starts(0x7f, 0x45, 0x4c, 0x46)) return 'machine-code';
  if (starts(0x00, 0x61, 0x73, 0x6d)) return 'wasm';
  // MZ, and Mach-O of both byte orders and widths, and of several machines (which Java's magic is, too).
  if (starts(0x4d, 0x5a) && head.length > 64 && !isText(head)) return 'machine-code';
  if (starts(0xfe, 0xed, 0xfa) || (starts(0xcf, 0xfa, 0xed) && head.length > 4))
    return 'machine-code';
  if (starts(0xce, 0xfa, 0xed) || starts(0xca, 0xfe, 0xba, 0xbe)) return 'machine-code';
  return undefined;
}

function isText(head: Uint8Array): boolean {
  return !head.includes(0);
}

/** `#!/usr/bin/env -S node --flag` is `node`. */
function interpreterOf(head: Uint8Array): string | undefined {
  const from = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0;
  if (head[from] !== 0x23 || head[from + 1] !== 0x21) return undefined;
  const [line = ''] = Buffer.from(head.subarray(from + 2))
    .toString('latin1')
    .split(/[\r\n]/);
  const words = line.trim().split(/\s+/);
  const base = (word: string | undefined): string => word?.split('/').at(-1) ?? '';
  if (base(words[0]) !== 'env') return base(words[0]);
  return base(words.slice(1).find((word) => !word.startsWith('-') && !word.includes('=')));
}
