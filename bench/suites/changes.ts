/** How long it takes to show many small files of an overlay, and to bring them into its workspace, in turns with `cp -r` of the same tree. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { Changes } from '../../src/sandbox/changes.ts';
import { Overlay } from '../../src/sandbox/overlay.ts';
import { round } from '../report.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

export const changes: Suite = { name: 'changes', run };

const IN_A_DIRECTORY = 100;

async function run(bench: Bench): Promise<SuiteResult> {
  const files = bench.quick ? 2000 : 100_000;
  const turns = bench.quick ? 2 : 6;
  const launcher = locateLauncher().path;
  const copied: number[] = [];
  const listed: number[] = [];
  const shown: number[] = [];
  const applied: number[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const place = mkdtempSync(join(bench.directory, 'changes-'));
    const workspace = join(place, 'workspace');
    mkdirSync(workspace);
    const overlay = Overlay.create(join(place, 'state'), {
      workspace,
      policyDigest: '',
      protect: [],
    });
    const upper = join(overlay.directory, 'upper');
    fill(upper, files);
    const copy = async (): Promise<void> => {
      const from = performance.now();
      execFileSync('cp', ['-r', upper, join(place, 'copy')]);
      copied.push(performance.now() - from);
    };
    const apply = async (): Promise<void> => {
      const from = performance.now();
      const found = await Changes.read(overlay, launcher);
      listed.push(performance.now() - from);
      const { applied: done } = await found.apply();
      applied.push(performance.now() - from);
      const again = performance.now();
      let characters = 0;
      for await (const part of found.diffParts()) characters += part.length;
      shown.push(performance.now() - again);
      if (characters < files) throw new Error(`a diff of ${characters} characters`);
      if (done.length !== files + files / IN_A_DIRECTORY) throw new Error(`${done.length} applied`);
    };
    // Whoever comes second finds the tree in memory.
    for (const work of turn % 2 === 0 ? [copy, apply] : [apply, copy]) await work();
    bench.note(
      `changes: cp -r ${round(copied.at(-1) ?? 0)} ms, apply ${round(applied.at(-1) ?? 0)} ms, ${turn + 1} of ${turns}`,
    );
    rmSync(place, { recursive: true });
  }
  const [cp, list, diff, all] = [copied, listed, shown, applied].map(
    (each) => summarize(each).median,
  ) as [number, number, number, number];
  return {
    title: 'Changes: many small files applied',
    method: `${files} new files of some bytes, ${IN_A_DIRECTORY} in each directory, ${turns} times each in turns that begin with either; a list and an apply, which lists anew, and a diff of what was listed, against \`cp -r\` of the upper layer.`,
    table: {
      columns: ['', 'median', '÷ cp -r'],
      rows: [
        ['cp -r', `${round(cp)} ms`, '1.00'],
        ['list', `${round(list)} ms`, String(round(list / cp))],
        ['diff', `${round(diff)} ms`, String(round(diff / cp))],
        ['list and apply', `${round(all)} ms`, String(round(all / cp))],
      ],
    },
    targets: [
      {
        name: `${files} files listed and applied`,
        measured: all / cp,
        sense: '≤',
        limit: 3,
        unit: '× cp -r',
      },
    ],
  };
}

function fill(directory: string, files: number): void {
  for (let i = 0; i < files; i++) {
    const into = join(directory, `directory${Math.floor(i / IN_A_DIRECTORY)}`);
    if (i % IN_A_DIRECTORY === 0) mkdirSync(into);
    writeFileSync(join(into, `file${i}`), `the content of ${i}\n`);
  }
}
