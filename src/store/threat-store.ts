/**
 * What scans found, day by day, and analyses that need not be made again: `threat.db` in the state directory. Nothing of
 * any code is in it but what findings quote.
 */
import { join } from 'node:path';
import { Database, type Migrations } from './database.ts';

/** "CAIT" */
const APPLICATION_ID = 0x43414954;

/** Days are counted since 1970, UTC. `family` is empty in the row of what was looked at. */
const MIGRATIONS: Migrations = [
  `CREATE TABLE occurrence (
     day INTEGER NOT NULL,
     family TEXT NOT NULL,
     language TEXT NOT NULL,
     files INTEGER NOT NULL,
     findings INTEGER NOT NULL,
     refused INTEGER NOT NULL,
     PRIMARY KEY (day, family, language)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE analysis (
     key TEXT PRIMARY KEY,
     day INTEGER NOT NULL,
     analysis TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX analysis_day ON analysis (day);`,
];

export const MS_PER_DAY = 86_400_000;
/** Analyses are forgotten when they were not asked for so long, and the oldest where there are more than that. */
const KEPT_DAYS = 30;
const KEPT_ANALYSES = 200_000;

/** How often something was found on a day. */
export interface Occurrence {
  /** A `ThreatFamily`; empty: what was looked at. */
  readonly family: string;
  readonly language: string;
  /** Files in which it was found; each time that they were scanned. */
  readonly files: number;
  /** Findings that count: not those that are declared or waived. */
  readonly findings: number;
  /** Files that were refused, and had it. */
  readonly refused: number;
}

export interface DatedOccurrence extends Occurrence {
  /** `2026-01-31`, UTC. */
  readonly day: string;
}

export class ThreatStore {
  readonly #database: Database;

  private constructor(database: Database) {
    this.#database = database;
  }

  static fileIn(stateDirectory: string): string {
    return join(stateDirectory, 'threat.db');
  }

  /** @param path of the file, made where it is missing @throws STORE_UNUSABLE */
  static open(path: string, readOnly = false): ThreatStore {
    const database = new Database({
      path,
      migrations: MIGRATIONS,
      readOnly,
      applicationId: APPLICATION_ID,
      lost: 'the statistics of scans are then forgotten, and analyses are made again',
    });
    return new ThreatStore(database);
  }

  /** Adds to what is there of that day. @param now Unix ms @throws STORE_UNUSABLE */
  record(occurrences: readonly Occurrence[], now: number): void {
    const day = Math.floor(now / MS_PER_DAY);
    this.#database.transaction(() => {
      for (const { family, language, files, findings, refused } of occurrences) {
        this.#database.write(
          `INSERT INTO occurrence VALUES ($day, $family, $language, $files, $findings, $refused)
           ON CONFLICT (day, family, language) DO UPDATE SET files = files + excluded.files,
             findings = findings + excluded.findings, refused = refused + excluded.refused`,
          { day, family, language, files, findings, refused },
        );
      }
    });
  }

  /** Oldest first. @param since Unix ms, whose day counts; default all @throws STORE_UNUSABLE */
  occurrences(since = 0): DatedOccurrence[] {
    const rows = this.#database.read(
      'SELECT * FROM occurrence WHERE day >= $day ORDER BY day, family, language',
      { day: Math.floor(since / MS_PER_DAY) },
    );
    return rows.map(({ day, family, language, files, findings, refused }) => ({
      day: new Date(Number(day) * MS_PER_DAY).toISOString().slice(0, 10),
      family: String(family),
      language: String(language),
      files: Number(files),
      findings: Number(findings),
      refused: Number(refused),
    }));
  }

  /** As it was kept. */
  analysis(key: string): string | undefined {
    const [row] = this.#database.read('SELECT analysis FROM analysis WHERE key = $key', { key });
    return row === undefined ? undefined : String(row.analysis);
  }

  /** All at once, and forgets what is old. @param now Unix ms @throws STORE_UNUSABLE */
  keepAnalyses(analyses: Iterable<readonly [key: string, analysis: string]>, now: number): void {
    const day = Math.floor(now / MS_PER_DAY);
    this.#database.transaction(() => {
      for (const [key, analysis] of analyses) {
        this.#database.write(
          `INSERT INTO analysis VALUES ($key, $day, $analysis)
           ON CONFLICT (key) DO UPDATE SET day = excluded.day, analysis = excluded.analysis`,
          { key, day, analysis },
        );
      }
      this.#database.write('DELETE FROM analysis WHERE day < $oldest', { oldest: day - KEPT_DAYS });
      this.#database.write(
        `DELETE FROM analysis WHERE key IN (
           SELECT key FROM analysis ORDER BY day DESC, key LIMIT -1 OFFSET $most)`,
        { most: KEPT_ANALYSES },
      );
    });
  }

  /** Idempotent. */
  close(): void {
    this.#database.close();
  }
}
