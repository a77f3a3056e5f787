/** `verifyLog`: whether a log is what was written. docs/audit.md says what can be found, and what cannot. */
import type { KeyObject } from 'node:crypto';
import { statSync } from 'node:fs';
import { checkKind, checkOptions } from '../../policy/known-options.ts';
import { VERIFY_LOG } from '../option-kinds.ts';
import { type Bookmark, ChainVerifier, type Walk } from './chain-verifier.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Finding, Verification } from './finding.ts';
import { type LogFile, logFilesOf, noLog, readHeader } from './log-files.ts';
import { readShipped, type Shipped } from './shipped-checkpoints.ts';
import { keyFingerprint } from './signing-key.ts';

export interface VerifyOptions {
  /** A log's directory, or one file of it. */
  readonly path: string;
  /** Public key from a place that whoever can write the log cannot write: `readPublicKey`. */
  readonly key: KeyObject;
  /** Name of the log that this should be; default: the one that it gives itself. */
  readonly log?: string | undefined;
  /** A record that must be there: its number, its hash, or both. */
  readonly expectHead?:
    | {
        readonly seq?: number | undefined;
        readonly hash?: string | undefined;
      }
    | undefined;
  /** A directory that checkpoints were shipped to, or a file of them. */
  readonly checkpoints?: string | undefined;
  /** Begins behind a checkpoint that an earlier verification from the start has passed. */
  readonly from?: Bookmark | undefined;
  /** Ends with the first finding. Default false. */
  readonly stopAtFirst?: boolean;
  /** Told each checkpoint that is genuine and in its place. */
  readonly onCheckpoint?: (bookmark: Bookmark) => void;
}

/**
 * Reads all of a log; about a second for 500,000 records. Anybody may, while it is written to.
 *
 * @throws PATH_MISSING, REQUEST_INVALID
 * @example
 * const { ok, findings } = verifyLog({ path: '/var/log/caisson', key: readPublicKey('audit.key.pub') });
 */
export function verifyLog(options: VerifyOptions): Verification {
  const subject = subjectOf(options);
  return judge(subject, walkInOrder(subject));
}

/** What is to be verified, and what is known of it from elsewhere. */
export interface Subject {
  readonly options: VerifyOptions;
  readonly files: readonly LogFile[];
  readonly log: string;
  readonly fingerprint: string;
  readonly shipped: Shipped | undefined;
  /** Of the shipped checkpoints, by size. */
  readonly roots: ReadonlyMap<number, string>;
}

/** @throws PATH_MISSING, REQUEST_INVALID */
export function subjectOf(options: VerifyOptions): Subject {
  checkOptions(options, 'verifyLog', VERIFY_LOG, 'observe');
  for (const name of ['path', 'key'] as const) {
    checkKind(options[name], VERIFY_LOG[name], `verifyLog: ${name}`, 'observe');
  }
  const { path, key, checkpoints, from } = options;
  const files = logFilesOf(path);
  if (files.length === 0) throw noLog(path);
  const log = options.log ?? from?.checkpoint.log ?? firstNameOf(files);
  const shipped = checkpoints === undefined ? undefined : readShipped(checkpoints, log, key);
  const roots = new Map((shipped?.checkpoints ?? []).map(({ size, root }) => [size, root]));
  return { options, files, log, fingerprint: keyFingerprint(key), shipped, roots };
}

export function walkInOrder({ options, files, log, fingerprint, roots }: Subject): Walk {
  const { path, key, from, onCheckpoint, expectHead } = options;
  const expectHash = expectHead?.hash;
  const verifier = new ChainVerifier(
    {
      key,
      fingerprint,
      log,
      shipped: roots,
      expectHash,
      ...(onCheckpoint === undefined ? {} : { onCheckpoint }),
    },
    from?.state,
  );
  const begin = from === undefined ? 0 : files.findIndex((file) => file.path === from.file);
  if (begin < 0) throw noLog(from?.file ?? path);
  const stop = (): boolean => options.stopAtFirst === true && verifier.findings.length > 0;
  for (const [index, file] of files.entries()) {
    if (index < begin || stop()) continue;
    const place = index === begin && from !== undefined ? from : {};
    verifier.read(file, index === files.length - 1, place, stop);
  }
  if (!stop()) verifier.end();
  return verifier.walk();
}

/** What a walk says together with what is known from elsewhere. */
export function judge({ options, files, log, shipped }: Subject, walk: Walk): Verification {
  const findings = [...walk.findings];
  const [first, last] = [files[0] as LogFile, files.at(-1) as LogFile];
  if (findings.length === 0 || options.stopAtFirst !== true) {
    findings.push(...cutOff(walk, options, shipped?.checkpoints ?? [], last));
    findings.push(...(shipped?.findings ?? []));
    const whole = options.from === undefined && statSync(options.path).isDirectory();
    if (whole) findings.push(...cutBefore(walk, first));
    if (shipped?.checkpoints.length === 0) {
      const message = `no checkpoint of the log ${log} was shipped to ${options.checkpoints}`;
      findings.push({ what: 'foreign', seq: 0, file: first.path, line: 0, message });
    }
  }
  return report(walk, log, files, findings);
}

function firstNameOf(files: readonly LogFile[]): string {
  for (const { path } of files) {
    const found = readHeader(path);
    if (found !== undefined) return found.header.log;
  }
  return '';
}

/** What must be there, by what is known from elsewhere, and is not. */
function cutOff(
  walk: Walk,
  { expectHead }: VerifyOptions,
  shipped: readonly Checkpoint[],
  { path: file }: LogFile,
): Finding[] {
  const findings: Finding[] = [];
  const last = walk.state.size - 1;
  const truncated = (seq: number, message: string): void => {
    findings.push({ what: 'truncated', seq, file, line: 0, message });
  };
  const size = shipped.at(-1)?.size ?? 0;
  if (size > last + 1) {
    truncated(
      size - 1,
      `the log ends with record ${last}; a shipped checkpoint covers ${size - 1}`,
    );
  }
  if (expectHead?.seq !== undefined && expectHead.seq > last) {
    truncated(
      expectHead.seq,
      `the log ends with record ${last}; record ${expectHead.seq} is expected`,
    );
  }
  if (expectHead?.hash !== undefined && !walk.metExpected) {
    truncated(last + 1, `no record has the hash ${expectHead.hash} that is expected`);
  }
  return findings;
}

/** A log that does not begin with its first record says itself why. */
function cutBefore(walk: Walk, { path: file }: LogFile): Finding[] {
  const { first, retiredThrough } = walk;
  if (first === 0 || retiredThrough >= first - 1) return [];
  const message = `records 0 to ${first - 1} are not there, and the log does not say that it removed them`;
  return [{ what: 'removed', seq: 0, to: first - 1, file, line: 0, message }];
}

function report(
  walk: Walk,
  log: string,
  files: readonly LogFile[],
  findings: readonly Finding[],
): Verification {
  const { size, head, sinceCheckpoint } = walk.state;
  const { first, torn, records, checkpoints, signedThrough } = walk;
  return {
    ok: findings.length === 0,
    log,
    files: files.length,
    records,
    first,
    head: { seq: size - 1, hash: head },
    checkpoints,
    signedThrough,
    unsigned: sinceCheckpoint,
    tornBytes: torn.bytes,
    findings,
    notes: notesOf(walk, sinceCheckpoint),
  };
}

function notesOf({ first, torn }: Walk, unsigned: number): string[] {
  const notes: string[] = [];
  if (first > 0) notes.push(`the records before ${first} are not here`);
  if (unsigned > 0) {
    notes.push(
      `the last ${unsigned} records have no checkpoint yet: they are linked, but not signed`,
    );
  }
  if (torn.bytes > 0) {
    notes.push(
      `${torn.bytes} bytes of an unfinished record stand at the end: being written, or of a crash`,
    );
  }
  return notes;
}
