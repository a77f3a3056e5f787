/**
 * What a directory's log came to: where its chain stands, and what a crash left behind. Nothing is repaired that a
 * crash cannot have done.
 */
import type { KeyObject } from 'node:crypto';
import { hash } from 'node:crypto';
import { readFileSync, rmSync, truncateSync } from 'node:fs';
import { CaissonError } from '../../core/error.ts';
import type { ChainState } from './chain.ts';
import { ChainVerifier } from './chain-verifier.ts';
import { type LogFile, logFilesOf, readHeader } from './log-files.ts';

export interface Recovered {
  readonly log: string;
  readonly state: ChainState;
  /** Time of the last record, nanoseconds. */
  readonly time: bigint;
  /** The file that goes on, its length, and the time of its first record. */
  readonly file: LogFile;
  readonly bytes: number;
  readonly since: bigint;
  /** Bytes of an unfinished record, which were cut off. */
  readonly torn: { readonly bytes: number; readonly sha256: string };
}

/**
 * @returns undefined where there is no log yet
 * @throws AUDIT_UNAVAILABLE where the last file is not what a writer leaves, crashed or not
 */
export function recoverLog(
  directory: string,
  key: KeyObject,
  fingerprint: string,
): Recovered | undefined {
  const files = logFilesOf(directory);
  let torn = { bytes: 0, sha256: '' };
  let file = files.pop();
  let head = file && readHeader(file.path);
  if (file !== undefined && head === undefined) {
    // A crash while a file was being made: nothing in it was acknowledged.
    const content = readFileSync(file.path);
    if (content.includes('\n')) throw damaged(file.path, 'it does not begin with a header');
    torn = { bytes: content.length, sha256: hash('sha256', content, 'hex') };
    rmSync(file.path);
    file = files.pop();
    head = file && readHeader(file.path);
  }
  if (file === undefined) return undefined;
  if (head === undefined) throw damaged(file.path, 'it does not begin with a header');
  const verifier = new ChainVerifier({ key, fingerprint, log: head.header.log, maxFindings: 1 });
  verifier.read(file, true);
  const [found] = verifier.findings;
  if (found !== undefined) throw damaged(`${found.file}:${found.line}`, found.message);
  if (verifier.torn.bytes > 0) {
    truncateSync(file.path, verifier.torn.offset);
    torn = verifier.torn;
  }
  const [seconds, nanos] = verifier.lastTime;
  return {
    log: head.header.log,
    state: verifier.state(),
    time: BigInt(seconds) * 1_000_000_000n + BigInt(nanos),
    file,
    bytes: verifier.torn.offset,
    since: BigInt(head.record.ts),
    torn,
  };
}

function damaged(where: string, why: string): CaissonError {
  return new CaissonError('AUDIT_UNAVAILABLE', {
    layer: 'observe',
    message: `the audit log is not what its writer left: ${where}: ${why}`,
    hint: 'look at it with caisson audit verify, keep it as evidence, and give a new directory',
  });
}
