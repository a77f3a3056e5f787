/**
 * Somebody who knows the format, holds no key, and can write every file of a log. Works on one log in memory: the
 * lines of its files, in order.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { logFilesOf } from '../../../src/observe/audit/log-files.ts';
import {
  headerSchema,
  NO_RECORD,
  parseRecord,
  recordHash,
} from '../../../src/observe/audit/record.ts';

export interface Forged {
  /** By file, its lines without newlines. */
  readonly files: { path: string; lines: string[] }[];
}

export function loadForged(directory: string): Forged {
  return {
    files: logFilesOf(directory).map(({ path }) => ({
      path,
      lines: readFileSync(path, 'utf8').split('\n').slice(0, -1),
    })),
  };
}

export function store({ files }: Forged): void {
  for (const { path, lines } of files)
    writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
}

/** Makes number, link and hash of every record anew from a place on, as a writer without the key could. */
export function makeHashesAnew({ files }: Forged, renumber: boolean): void {
  let head = NO_RECORD;
  let seq = 0;
  for (const { lines } of files) {
    for (const [index, line] of lines.entries()) {
      let body = line.slice(0, line.lastIndexOf(',"hash":"') + 9);
      if (renumber) body = body.replace(/^\{"seq":\d+/, `{"seq":${seq}`);
      const header = index === 0 && headerSchema.safeParse(parseRecord(line)?.details).data;
      if (header) body = body.replace(header.prev, head);
      head = recordHash(head, body);
      lines[index] = `${body}${head}"}`;
      seq++;
    }
  }
}

/** A record's line with other content; its hash is the old one. */
export function alter(line: string): string {
  const at = line.indexOf('"event":"') + '"event":"'.length;
  const other = line[at] === 'x' ? 'y' : 'x';
  return `${line.slice(0, at)}${other}${line.slice(at + 1)}`;
}
