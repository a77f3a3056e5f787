/** `caisson threats`: what scans on this machine, by this user, found. */
import { existsSync } from 'node:fs';
import { CaissonError } from '../../core/error.ts';
import { parseCount } from '../../core/units.ts';
import { defaultStateDirectory } from '../../sandbox/state-directory.ts';
import { type DatedOccurrence, MS_PER_DAY, ThreatStore } from '../../store/threat-store.ts';
import type { Action } from '../command.ts';
import type { ThreatsFlags } from '../scan-commands.ts';
import { columns } from '../text-columns.ts';

const DAYS = 30;
const DAYS_MAX = 36_500;

export const action: Action<ThreatsFlags> = async ({ flags }) => {
  const days = flags.days === undefined ? DAYS : parseCount(flags.days);
  if (days < 1 || days > DAYS_MAX) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'cli',
      message: `--days ${days} cannot be`,
      hint: `give 1 to ${DAYS_MAX}`,
    });
  }
  const occurrences = read(Date.now() - (days - 1) * MS_PER_DAY);
  const rows = occurrences.map(({ day, family, language, files, findings, refused }) => [
    day,
    family === '' ? '(scanned)' : family,
    language,
    ...[files, findings, refused].map((number) => String(number).padStart(8)),
  ]);
  const heading = ['DAY', 'FAMILY', 'LANGUAGE', '   FILES', 'FINDINGS', ' REFUSED'];
  return {
    exit: 0,
    document: { occurrences },
    text: rows.length === 0 ? '' : columns([heading, ...rows]),
    notes: rows.length === 0 ? [`nothing was scanned in the last ${days} days`] : [],
  };
};

function read(since: number): DatedOccurrence[] {
  const path = ThreatStore.fileIn(defaultStateDirectory());
  if (!existsSync(path)) return [];
  const store = ThreatStore.open(path, true);
  try {
    return store.occurrences(since);
  } finally {
    store.close();
  }
}
