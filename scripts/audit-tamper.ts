/**
 * A log of a million records, and a thousand random tamperings by a forger that knows the format and, in half of the
 * cases, makes every later hash anew. Says which were found, and how near.
 *
 *   node scripts/audit-tamper.ts [--records 1000000] [--tamperings 1000] [--whole] [--seed N]
 *
 * Verifying a million records a thousand times would take most of an hour on one core, and writing them anew as long.
 * So the log is verified once from its beginning, which leaves a bookmark behind each genuine checkpoint; a tampering is
 * then looked for by the same `verifyLog` from the bookmark before it, up to its first finding. Nothing is left out by
 * that: what lies before the bookmark is untouched, and a whole verification would stand at the bookmark in the same
 * state. The forger's work is lazy likewise: of the file that it alters all later hashes are made anew, of the files
 * behind it none, since the verification ends before it reads them (were it to reach them, it would count as not found).
 * `--whole` does both in full for each tampering.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ObservedEvent } from '../src/core/ports.ts';
import { AuditLog } from '../src/observe/audit/audit-log.ts';
import type { Bookmark } from '../src/observe/audit/chain-verifier.ts';
import { type LogFile, logFilesOf } from '../src/observe/audit/log-files.ts';
import { headerSchema, parseRecord, recordHash } from '../src/observe/audit/record.ts';
import { readPublicKey } from '../src/observe/audit/signing-key.ts';
import { verifyLog } from '../src/observe/audit/verify-log.ts';
import { SeededRandom } from '../test/seeded-random.ts';

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    tamperings: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    whole: { type: 'boolean', default: false },
  },
});
const EVERY = 1024;
const KINDS = [
  'change',
  'remove',
  'repeat',
  'exchange',
  'replay',
  'foreign',
  'checkpoint',
] as const;

const random = new SeededRandom(Number(values.seed));
const root = mkdtempSync(join(tmpdir(), 'caisson-tamper-'));
try {
  const failures = await main(Number(values.records), Number(values.tamperings));
  process.exitCode = failures > 0 ? 1 : 0;
} finally {
  rmSync(root, { recursive: true, force: true });
}

async function main(records: number, tamperings: number): Promise<number> {
  const directory = join(root, 'log');
  await writeLog(directory, records);
  const other = join(root, 'other');
  await writeLog(other, 5000);
  const foreign = linesOf(logFilesOf(other)[0]?.path ?? '');
  const key = readPublicKey(join(root, 'key.pub'));
  const bookmarks: Bookmark[] = [];
  const started = performance.now();
  const whole = verifyLog({ path: directory, key, onCheckpoint: (mark) => bookmarks.push(mark) });
  const seconds = (performance.now() - started) / 1000;
  if (!whole.ok) throw new Error(`the log does not verify: ${JSON.stringify(whole.findings[0])}`);
  console.log(
    `${whole.records} records, ${whole.files} files, ${whole.checkpoints} checkpoints: good, in ${seconds.toFixed(2)} s; seed ${values.seed}`,
  );
  const files = logFilesOf(directory);
  const widths: number[] = [];
  const kinds = new Map<string, number>();
  let failures = 0;
  for (let n = 0; n < tamperings; n++) {
    const kind = KINDS[n % KINDS.length] as (typeof KINDS)[number];
    const anew = random.below(2) === 1;
    // The log's last records stand behind its last checkpoint, where only --expect-head helps; here all are signed.
    const seq = 1 + random.below(whole.head.seq - 1);
    const saved = new Map<string, Buffer>();
    const at = tamper(files, seq, kind, anew, foreign, saved);
    const from = values.whole ? undefined : before(bookmarks, at.seq);
    const { findings } = verifyLog({ path: directory, key, from, stopAtFirst: true });
    const [found] = findings;
    const [low, high] = [found?.seq ?? 0, found?.to ?? found?.seq ?? 0];
    const near =
      found !== undefined &&
      ((low <= at.seq + EVERY + 1 && high >= at.seq - 2) ||
        (found.file === at.file && Math.abs(found.line - at.line) <= 1));
    if (near) {
      widths.push(high - low + 1);
      const label = `${kind}${anew ? ', hashes made anew' : ''} → ${found.what}`;
      kinds.set(label, (kinds.get(label) ?? 0) + 1);
    } else {
      failures++;
      console.log(`NOT FOUND: ${kind} of ${at.seq}, anew ${anew}: ${JSON.stringify(found)}`);
    }
    for (const [path, content] of saved) writeFileSync(path, content);
    if (n % 100 === 99) console.log(`${n + 1} tamperings, ${failures} not found`);
  }
  for (const [label, count] of [...kinds].sort())
    console.log(`${String(count).padStart(5)}  ${label}`);
  const exact = widths.filter((width) => width === 1).length;
  console.log(
    `${tamperings - failures} of ${tamperings} found; ${exact} named to the record, the others within ${Math.max(...widths)} records`,
  );
  if (!verifyLog({ path: directory, key }).ok) throw new Error('the log was not restored');
  return failures;
}

async function writeLog(directory: string, count: number): Promise<void> {
  const rotate = { bytes: 2 * 1024 * 1024 };
  const key = join(root, 'key');
  const checkpointEvery = { records: EVERY };
  await using log = await AuditLog.open({
    directory,
    key,
    rotate,
    checkpointEvery,
    fsync: 'never',
  });
  for (let n = 0; n < count; n += 5000) {
    const some = Math.min(5000, count - n);
    await Promise.all(Array.from({ length: some }, (_, i) => log.append(event(n + i))));
  }
}

function event(n: number): ObservedEvent {
  const id = `run_${n.toString(16).padStart(32, '0')}`;
  if (n % 2 === 0) return { kind: 'started', id, tenant: 'acme', argv: ['make', `job-${n}`] };
  return { kind: 'limit', id, limit: 'memory' };
}

interface Place {
  readonly seq: number;
  readonly file: string;
  readonly line: number;
}

/** Alters the files around one record. @param saved gets what they held */
function tamper(
  files: readonly LogFile[],
  seq: number,
  kind: (typeof KINDS)[number],
  anew: boolean,
  foreign: readonly string[],
  saved: Map<string, Buffer>,
): Place {
  const index = files.findLastIndex(({ first }) => first <= seq);
  const { path, first } = files[index] as LogFile;
  saved.set(path, readFileSync(path));
  const lines = linesOf(path);
  let at = seq - first;
  if (kind === 'checkpoint') {
    const next = lines.findIndex((line, n) => n >= at && line.includes('"event":"checkpoint"'));
    at = next < 0 ? lines.length - 1 : next;
  }
  const line = lines[at] ?? '';
  const elsewhere = random.below(lines.length);
  if (kind === 'change') lines[at] = alter(line);
  if (kind === 'remove') lines.splice(at, 1);
  if (kind === 'repeat') lines.splice(at, 0, line);
  if (kind === 'replay') lines.splice(at, 0, lines[elsewhere === at ? 0 : elsewhere] ?? '');
  if (kind === 'foreign') lines[at] = foreign[1 + random.below(foreign.length - 1)] ?? '';
  if (kind === 'checkpoint') lines[at] = line.replace(/"root":"[0-9a-f]{8}/, '"root":"deadbeef');
  const partner = Math.min(
    lines.length - 1,
    at === lines.length - 1 ? at - 1 : at + 1 + random.below(3),
  );
  if (kind === 'exchange') [lines[at], lines[partner]] = [lines[partner] ?? '', line];
  const lowest = kind === 'exchange' ? Math.min(at, partner) : at;
  if (anew) makeAnew(lines, first);
  writeFileSync(path, `${lines.join('\n')}\n`);
  if (anew && values.whole) makeRestAnew(files.slice(index + 1), lines, first, saved);
  return { seq: first + lowest, file: path, line: lowest + 1 };
}

function makeRestAnew(
  files: readonly LogFile[],
  before: readonly string[],
  first: number,
  saved: Map<string, Buffer>,
): void {
  let seq = first + before.length;
  let head = /"hash":"([0-9a-f]{64})"\}$/.exec(before.at(-1) ?? '')?.[1] ?? '';
  for (const { path } of files) {
    saved.set(path, readFileSync(path));
    const lines = linesOf(path);
    makeAnew(lines, seq, head);
    writeFileSync(path, `${lines.join('\n')}\n`);
    seq += lines.length;
    head = /"hash":"([0-9a-f]{64})"\}$/.exec(lines.at(-1) ?? '')?.[1] ?? '';
  }
}

/** Number, link and hash of each line. @param head hash before the file; default: what its header says */
function makeAnew(lines: string[], first: number, head?: string): void {
  const header = headerSchema.safeParse(parseRecord(lines[0] ?? '')?.details).data;
  let previous = head ?? header?.prev ?? '0'.repeat(64);
  for (const [n, line] of lines.entries()) {
    let body = line.slice(0, line.lastIndexOf(',"hash":"') + 9);
    body = body.replace(/^\{"seq":\d+/, `{"seq":${first + n}`);
    if (n === 0 && head !== undefined && header) body = body.replace(header.prev, head);
    previous = recordHash(previous, body);
    lines[n] = `${body}${previous}"}`;
  }
}

function before(bookmarks: readonly Bookmark[], seq: number): Bookmark | undefined {
  return bookmarks.findLast(({ state }) => state.size <= seq);
}

function alter(line: string): string {
  const from = line.indexOf('"event":"') + 9;
  const at = from + random.below(Math.max(1, line.length - 80 - from));
  const other = line[at] === '7' ? '8' : '7';
  return `${line.slice(0, at)}${other}${line.slice(at + 1)}`;
}

function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1);
}
