/** A command as code that is to be admitted: its line, the texts in it, the scripts that it names. */
import { createHash } from 'node:crypto';
import type { Candidate, CodeLanguage } from '../core/admission.ts';
import {
  type CommandPart,
  commandParts,
  isNative,
  languageOfFile,
  type ReadLanguage,
} from './command-code.ts';

/**
 * A file as the guest would find it. `own`: one of the system's, which no guest writes; undefined: there is none, or
 * it cannot be read here.
 */
export type ReadScript = (path: string) => Promise<Uint8Array | 'own' | undefined>;

/** What is known of the stdin of a command. Undefined: it has none; `unseen`: it is written while the command runs. */
export type CommandInput = string | Uint8Array | undefined | { readonly unseen: true };

/** A command that is to run. */
export interface CommandRequest {
  readonly argv: readonly string[];
  readonly input: CommandInput;
  readonly read: ReadScript;
  /** The one source that the command was made of: what is signed, instead of its words. */
  readonly source?: { readonly language: ReadLanguage; readonly text: string };
  /** What the same shell ran before: the command is its continuation. */
  readonly earlier?: string;
}

type Claims = Pick<Candidate, 'signatures' | 'certificate' | 'declares' | 'limits'>;

/** The digest of a command is that of its argv as JSON, as for modules of that kind: what is signed. */
export function digestOfCommand(argv: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(argv)).digest('hex');
}

export async function commandCandidate(
  name: string,
  { argv, input, read, source, earlier = '' }: CommandRequest,
  claims: Claims = {},
): Promise<Candidate> {
  const files: Record<string, string | Uint8Array> = {};
  const languages: Record<string, CodeLanguage> = {};
  const add = (path: string, language: CodeLanguage, code: string | Uint8Array): void => {
    files[path] = code;
    languages[path] = language;
  };
  for (const part of commandParts(argv)) {
    if (part.kind === 'text') add(part.name, part.language, part.text);
    else if (part.kind === 'unread') add(part.name, 'command', `code for ${part.what}`);
    else if (part.kind === 'stdin') addInput(part.language, input, add);
    else await addFile(part, read, add);
  }
  if (earlier !== '') add('session', 'shell', `${earlier}\n${argv.at(-1) ?? ''}\n`);
  return {
    name,
    language: 'command',
    digest: digestOfCommand(argv),
    files,
    languages,
    ...(source === undefined ? {} : { signed: signedSource(source) }),
    ...claims,
  };
}

function signedSource({
  language,
  text,
}: NonNullable<CommandRequest['source']>): NonNullable<Candidate['signed']> {
  return { language, digest: createHash('sha256').update(text).digest('hex') };
}

type Add = (path: string, language: CodeLanguage, code: string | Uint8Array) => void;

function addInput(language: CodeLanguage, input: CommandInput, add: Add): void {
  if (input === undefined) return;
  const seen = typeof input === 'string' || input instanceof Uint8Array;
  if (seen) add('stdin', language, input);
  else add('stdin', 'command', 'what it reads from its stdin');
}

async function addFile(
  { path, language, maybe }: Extract<CommandPart, { kind: 'file' }>,
  read: ReadScript,
  add: Add,
): Promise<void> {
  const content = await read(path);
  if (content === 'own') return;
  if (content === undefined && maybe === true) return;
  if (content === undefined) return add(path, 'command', 'a file that cannot be read beforehand');
  const written = language ?? languageOfFile(path, content);
  if (written !== undefined) add(path, written, content);
  else if (isNative(content)) add(path, 'command', 'native code');
  else add(path, 'command', 'a file in no language that is read here');
}
