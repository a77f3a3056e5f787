/** `caisson audit verify PATH`. */
import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { CaissonError, errorCodes } from '../../core/error.ts';
import type { Finding, Verification } from '../../observe/audit/finding.ts';
import { keyFingerprint, readPublicKey } from '../../observe/audit/signing-key.ts';
import { verifyLogInParallel } from '../../observe/audit/verify-in-parallel.ts';
import type { Action, Flag } from '../command.ts';

type VerifyFlags = {
  readonly key: Flag & { readonly value: string };
  readonly 'expect-head': Flag & { readonly value: string };
  readonly checkpoints: Flag & { readonly value: string };
  readonly log: Flag & { readonly value: string };
};

export const action: Action<VerifyFlags> = async ({ flags, positionals: [given = ''] }) => {
  const path = resolve(given);
  const file = flags.key ?? keyBeside(path);
  const key = readPublicKey(file);
  const expectHead = flags['expect-head'];
  const result = await verifyLogInParallel({
    path,
    key,
    log: flags.log,
    ...(expectHead === undefined ? {} : { expectHead: parseExpectedHead(expectHead) }),
    checkpoints: flags.checkpoints,
  });
  const trusted = { file, fingerprint: keyFingerprint(key) };
  return {
    exit: result.ok ? 0 : errorCodes.AUDIT_ALTERED.exit,
    document: { ...result, key: trusted },
    text: `${result.findings.map(showFinding).join('')}${summary(result)}`,
    notes: [
      ...(result.ok ? [] : [`${errorCodes.AUDIT_ALTERED.message}: ${given}`]),
      ...result.notes,
      `verified with the key ${trusted.fingerprint} of ${file}`,
    ],
  };
};

/** `SEQ`, `HASH` or `SEQ:HASH`. Throws REQUEST_INVALID. */
export function parseExpectedHead(text: string): { seq?: number; hash?: string } {
  const found = /^(?:(\d{1,15})|(?:(\d{1,15}):)?([0-9a-f]{64}))$/.exec(text);
  const seq = found?.[1] ?? found?.[2];
  const hash = found?.[3];
  if (found !== null) {
    return { ...(seq === undefined ? {} : { seq: Number(seq) }), ...(hash ? { hash } : {}) };
  }
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'cli',
    message: `--expect-head ${JSON.stringify(text)} is neither a record’s number nor its hash`,
    hint: 'give what an earlier verification printed as head: 1234, 64 hexadecimal digits, or both with a colon',
  });
}

/** Where the log's writer put it; a key from a place that the writer cannot reach is better. */
function keyBeside(path: string): string {
  const directory = statSync(path, { throwIfNoEntry: false })?.isFile() ? dirname(path) : path;
  const file = `${directory}.key.pub`;
  if (existsSync(file) || !existsSync(path)) return file;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'cli',
    message: `there is no public key to verify with: ${file} does not exist`,
    hint: 'give the .pub file of the log’s key with --key',
  });
}

function showFinding({ what, file, line, message }: Finding): string {
  return `${what}: ${file}${line > 0 ? `:${line}` : ''}: ${message}\n`;
}

function summary(result: Verification): string {
  const { ok, log, records, files, checkpoints, head, signedThrough, findings } = result;
  const verdict = ok ? 'good' : `ALTERED: ${findings.length} findings`;
  return [
    `${verdict}: ${records} records in ${files} files, ${checkpoints} checkpoints, signed below record ${signedThrough}`,
    `log ${log}`,
    `head ${head.seq}:${head.hash}\n`,
  ].join('\n');
}
