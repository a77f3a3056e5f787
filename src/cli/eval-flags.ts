/** What `caisson eval` takes. */
import { parseCount } from '../core/units.ts';
import type { Flags } from './command.ts';
import { policyFlags } from './flags.ts';
import { telemetryFlags } from './telemetry-flags.ts';
import { vouchingFlags } from './vouching-flags.ts';

export const evalFlags = {
  ...policyFlags,
  file: {
    short: 'f',
    value: 'FILE',
    completes: 'file',
    summary: 'Read the source from there; a .wasm file is a module in binary',
  },
  input: {
    short: 'i',
    value: 'JSON|-',
    summary:
      'The input: an argument of the export, or the stdin of a command; `-` reads it from stdin',
  },
  stdin: { summary: 'Hand stdin to a command (python, shell, WASM without --export) as it is' },
  export: {
    short: 'x',
    value: 'NAME',
    summary: 'Export that is called, or shown where it is no function; default: default',
  },
  dir: {
    value: '/GUEST=HOSTDIR',
    repeatable: true,
    completes: 'directory',
    summary: 'WASM: a directory of the host that the module finds open there, read-only',
  },
  fuel: {
    value: 'COUNT',
    check: parseCount,
    summary: 'WASM: instructions that it may execute; the same count on every machine',
  },
  deterministic: {
    value: 'SEED',
    summary: 'WASM: same input, same output: its own clock, random numbers of that seed',
  },
  certificate: {
    value: 'FILE',
    completes: 'file',
    summary: 'WASM: what caisson prove wrote; it is checked, whatever the policy asks',
  },
  ...telemetryFlags,
  ...vouchingFlags,
} as const satisfies Flags;

export type EvalFlags = typeof evalFlags;
