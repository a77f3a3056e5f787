/** `caisson audit tail [-f] PATH`. */
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CaissonError } from '../../core/error.ts';
import { parseCount } from '../../core/units.ts';
import { followLog } from '../../observe/audit/follow-log.ts';
import { matches } from '../../observe/audit/read-log.ts';
import { showRecord } from '../../observe/audit/show-record.ts';
import type { Action, Flag } from '../command.ts';
import { writeAll } from '../write-all.ts';
import { type FilterFlags, filterOf, formatOf } from './audit-query.ts';

type TailFlags = FilterFlags & {
  readonly follow: Flag;
  readonly lines: Flag & { readonly value: string };
};

const DEFAULT_LINES = 10;
const LOOK_MS = 200;

export const action: Action<TailFlags> = async ({ flags, positionals: [path = ''], json }) => {
  if (json && flags.follow === true) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'cli',
      message: '--json is one document, and --follow has no end',
      hint: 'write --format jsonl: a document for each record',
    });
  }
  const format = formatOf(flags.format);
  const filter = filterOf(flags);
  const count = flags.lines === undefined ? DEFAULT_LINES : parseCount(flags.lines);
  const follower = followLog(resolve(path), count, { wanted: (record) => matches(record, filter) });
  const last = follower.next();
  if (flags.follow !== true) {
    const text = last.map((record) => showRecord(record, format)).join('');
    return { exit: 0, document: { records: last }, text };
  }
  for (let some = last; ; some = follower.next()) {
    if (some.length > 0) await writeAll(1, some.map((each) => showRecord(each, format)).join(''));
    // Nobody reads any more.
    if (process.stdout.destroyed || process.stdout.errored) return { exit: 0, document: {} };
    await delay(LOOK_MS);
  }
};
