/** The end of a log, and then whatever comes: over new files too. */
import { LineReader } from './line-reader.ts';
import { logFilesOf, noLog } from './log-files.ts';
import { type AuditRecord, parseRecord } from './record.ts';

export interface Follower {
  /** At first the last records, later those since it was asked last. */
  next(): AuditRecord[];
}

/** @throws PATH_MISSING */
export function followLog(
  path: string,
  count: number,
  wanted: (record: AuditRecord) => boolean = () => true,
): Follower {
  let place: { path: string; offset: number } | undefined;

  const last = (): AuditRecord[] => {
    let records: AuditRecord[] = [];
    const files = logFilesOf(path);
    if (files.length === 0) throw noLog(path);
    for (const file of files.reverse()) {
      const [found, offset] = recordsOf(file.path, 0, wanted);
      place ??= { path: file.path, offset };
      records = [...found, ...records].slice(-count);
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
      const [found, offset] = recordsOf(
        file.path,
        file.path === from.path ? from.offset : 0,
        wanted,
      );
      for (const record of found) records.push(record);
      place = { path: file.path, offset };
    }
    return records;
  };

  return { next: () => (place === undefined ? last() : since(place)) };
}

function recordsOf(
  path: string,
  from: number,
  wanted: (record: AuditRecord) => boolean,
): [records: AuditRecord[], offset: number] {
  using reader = new LineReader(path, from);
  const records: AuditRecord[] = [];
  for (let newline = reader.newline(); newline >= 0; newline = reader.newline()) {
    const record = parseRecord(reader.buffer.toString('utf8', reader.start, newline));
    if (record !== undefined && wanted(record)) records.push(record);
    reader.pass(newline);
  }
  return [records, reader.offset];
}
