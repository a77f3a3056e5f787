/** The end of a log, and then whatever comes: over new files too. */
import { statSync } from 'node:fs';
import { LineReader } from './line-reader.ts';
import { logFilesOf, noLog } from './log-files.ts';
import { type AuditRecord, parseRecord } from './record.ts';

export interface Follower {
  /** At first the last records, later those since it was asked last, or the first of them. */
  next(): AuditRecord[];
}

export interface FollowOptions {
  /** Default: every record. */
  readonly wanted?: (record: AuditRecord) => boolean;
  /** After the first time, so many at once: reading takes the caller's thread. Default: all. */
  readonly most?: number;
}

/** Where the last records are looked for first. */
const NEAR = 1024 * 1024;
/** Many may follow at the same time. */
const PIECE = 256 * 1024;

/** @throws PATH_MISSING */
export function followLog(
  path: string,
  count: number,
  { wanted = () => true, most = Number.POSITIVE_INFINITY }: FollowOptions = {},
): Follower {
  let place: { path: string; offset: number } | undefined;

  const last = (): AuditRecord[] => {
    let records: AuditRecord[] = [];
    const files = logFilesOf(path);
    if (files.length === 0) throw noLog(path);
    for (const file of files.reverse()) {
      const near = statSync(file.path).size - NEAR;
      const part = near > 0 ? recordsOf(file.path, near, { wanted, isCut: true }) : undefined;
      const isEnough = part !== undefined && part[0].length >= count - records.length;
      const [found, offset] = isEnough ? part : recordsOf(file.path, 0, { wanted });
      place ??= { path: file.path, offset };
      records = count === 0 ? [] : [...found, ...records].slice(-count);
      if (records.length >= count) break;
    }
    return records;
  };

  const since = (from: { path: string; offset: number }): AuditRecord[] => {
    const records: AuditRecord[] = [];
    const files = logFilesOf(path);
    const begin = files.findIndex((file) => file.path === from.path);
    // One that was retired meanwhile was read to its end before.
    for (const file of begin < 0 ? files.slice(-1) : files.slice(begin)) {
      const [found, offset] = recordsOf(file.path, file.path === from.path ? from.offset : 0, {
        wanted,
        most: most - records.length,
      });
      for (const record of found) records.push(record);
      place = { path: file.path, offset };
      if (records.length >= most) break;
    }
    return records;
  };

  return { next: () => (place === undefined ? last() : since(place)) };
}

function recordsOf(
  path: string,
  from: number,
  {
    wanted,
    most = Number.POSITIVE_INFINITY,
    isCut = false,
  }: FollowOptions & {
    readonly wanted: (record: AuditRecord) => boolean;
    /** It begins within a line. */
    readonly isCut?: boolean;
  },
): [records: AuditRecord[], offset: number] {
  using reader = new LineReader(path, from, PIECE);
  const records: AuditRecord[] = [];
  let skip = isCut;
  for (let newline = reader.newline(); newline >= 0; newline = reader.newline()) {
    if (!skip) {
      const record = parseRecord(reader.buffer.toString('utf8', reader.start, newline));
      if (record !== undefined && wanted(record)) records.push(record);
    }
    skip = false;
    reader.pass(newline);
    if (records.length >= most) break;
  }
  return [records, reader.offset];
}
