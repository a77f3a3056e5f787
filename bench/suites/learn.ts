/** What watching a build for `caisson learn` costs it, against the build alone and under strace. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { type Contestant, takeTurns } from '../contestant.ts';
import { round } from '../report.ts';
import { spawnToEnd } from '../spawn.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

const FILES = 12;
const PLAIN = 'make';
const TRACED = 'make, traced for learn';
const STRACED = 'make under strace -f';

const MAKEFILE = `
OBJECTS = $(patsubst %.c,%.o,$(wildcard *.c))
prog: $(OBJECTS)
\t$(CC) -o $@ $^
%.o: %.c
\t$(CC) -O2 -c -o $@ $<
`;

export const learn: Suite = { name: 'learn', run };

async function run(bench: Bench): Promise<SuiteResult> {
  const project = join(bench.directory, 'learn-project');
  makeProject(project);
  // A shell, because the records need a descriptor; it is the same for all.
  const build = (name: string, words: string): Contestant => ({
    name,
    every: 1,
    run: () => {
      execFileSync('find', [project, '-name', '*.o', '-delete']);
      rmSync(join(project, 'prog'), { force: true });
      return spawnToEnd(['/bin/sh', '-c', `exec ${words}`], { cwd: project });
    },
  });
  const trace = `${locateLauncher().path} trace --out 9 --also 162 -- make -s 9>/dev/null`;
  const hasStrace = ['/usr/bin/strace', '/usr/local/bin/strace'].some((path) => existsSync(path));
  const samples = await takeTurns(
    [
      build(PLAIN, 'make -s'),
      build(TRACED, trace),
      ...(hasStrace ? [build(STRACED, 'strace -f -o /dev/null make -s')] : []),
    ],
    {
      rounds: bench.quick ? 3 : 15,
      warmUp: 1,
      restMs: 50,
      turn: (round_) => ({ round: round_, workspace: project, tag: '', proof: false }),
    },
  );
  const summaries = [...samples].map(([label, values]) => ({ label, ...summarize(values) }));
  const base = summaries.find(({ label }) => label === PLAIN)?.median ?? Number.NaN;
  const ours = summaries.find(({ label }) => label === TRACED)?.median ?? Number.NaN;
  return {
    title: 'Watching a build',
    method: `A C project of ${FILES} files, built whole by make and gcc -O2 one file after the other, in turn.`,
    table: {
      columns: ['', 'median ms', 'middle half', '÷ make'],
      rows: summaries.map(({ label, median, lowerQuartile, upperQuartile }) => [
        label,
        round(median),
        `${round(lowerQuartile)}–${round(upperQuartile)}`,
        round(median / base),
      ]),
    },
    targets: [
      { name: `${TRACED} ÷ ${PLAIN}`, measured: ours / base, sense: '≤', limit: 1.2, unit: '×' },
    ],
  };
}

/** Files of a few hundred lines that include the common headers: what compilers read most of the time. */
function makeProject(directory: string): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'Makefile'), MAKEFILE);
  for (let file = 0; file < FILES; file++) {
    const lines = ['#include <stdio.h>', '#include <stdlib.h>', '#include <string.h>'];
    for (let i = 0; i < 40; i++) {
      lines.push(
        `int f${file}_${i}(int x) { char b[64]; for (int k = 0; k < x; k++) x += k * ${i}; snprintf(b, sizeof b, "%d", x); return atoi(b); }`,
      );
    }
    if (file === 0) lines.push('int main(void) { return f0_0(0); }');
    writeFileSync(join(directory, `file${file}.c`), `${lines.join('\n')}\n`);
  }
}
