/** Directories for the runs to work in, so that neighbouring runs have different ones. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from './suite.ts';

const COUNT = 16;

export function makeWorkspaces(bench: Bench): string[] {
  return Array.from({ length: COUNT }, (_, i) => {
    const directory = join(bench.directory, `workspace-${i}`);
    mkdirSync(directory, { recursive: true });
    return directory;
  });
}
