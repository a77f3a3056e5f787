/** Counts tests by outcome, and holds the skipped ones against what test/skips.json expects. */
import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

/**
 * Tests that a machine may skip. They are skipped where `needs` fails and nowhere else, so that a
 * machine which has everything skips nothing, and the number cannot grow unseen.
 */
export interface ExpectedSkip {
  /** What the test says: `t.skip(reason)` or `{ skip: reason }`. */
  reason: string;
  /** A shell command that succeeds where these tests run. */
  needs: string;
  /** How many tests give this reason where `needs` fails. */
  tests: number;
}

interface Finished {
  name: string;
  file?: string | undefined;
  skip?: string | boolean | undefined;
  line?: number | undefined;
  details: { type?: string | undefined; error?: Error | undefined };
}

export class Tally {
  passed = 0;
  /** One line each: where, which, why. */
  readonly failed: string[] = [];
  /** Names of skipped tests by their reason. */
  readonly skipped = new Map<string, string[]>();

  add(test: Finished, passed: boolean): void {
    const { name, skip, details } = test;
    if (skip !== undefined && skip !== false) {
      const reason = typeof skip === 'string' && skip !== '' ? skip : 'no reason given';
      this.skipped.set(reason, [...(this.skipped.get(reason) ?? []), name]);
    } else if (details.type !== 'suite') {
      if (passed) this.passed++;
      else this.failed.push(lineOf(test));
    }
  }
}

const LONGEST_WHY = 300;

function lineOf({ name, file = '', line = 0, details: { error } }: Finished): string {
  // node:test says of every error that a test failed; what it was is behind that.
  const why = String((error?.cause as Error | undefined)?.message ?? error?.cause ?? error);
  const text = stripVTControlCharacters(why).replaceAll(/\s+/g, ' ').slice(0, LONGEST_WHY);
  return `${relative('.', file)}:${line}: ${name}: ${text}`;
}

/** What is wrong with the skips of a whole run; empty when they are exactly the expected ones. */
export function checkSkips(
  { skipped }: Pick<Tally, 'skipped'>,
  expected: readonly ExpectedSkip[],
  holdsHere: (command: string) => boolean,
): string[] {
  const complaints: string[] = [];
  for (const { reason, needs, tests } of expected) {
    const found = skipped.get(reason)?.length ?? 0;
    const want = holdsHere(needs) ? 0 : tests;
    if (found !== want) {
      const because = want === 0 ? 'this machine has what they need' : 'test/skips.json';
      complaints.push(`${found} skipped for "${reason}", ${want} expected (${because})`);
    }
  }
  for (const [reason, tests] of skipped) {
    if (expected.some((each) => each.reason === reason)) continue;
    complaints.push(`"${reason}" is not in test/skips.json (${tests.join(', ')})`);
  }
  return complaints;
}
