/** Commands that look at code and run none of it. */
import { parseCount, parseDuration } from '../core/units.ts';
import { type Command, command } from './command.ts';

const scanFlags = {
  profile: {
    value: 'NAME',
    choices: ['effect', 'package'],
    summary:
      'What code may do unasked: nothing (effect), or what packages do; default: package for archives and packages',
  },
  declare: {
    value: 'CAPS',
    repeatable: true,
    summary: 'Capabilities that you grant it: network,filesystem …; they count only in chains',
  },
  'trust-manifest': {
    summary: 'Grant what package.json claims in caisson.declares; a claim alone proves nothing',
  },
  threshold: { value: 'N', check: parseCount, summary: 'Refuse from that score on; default: 80' },
  'list-from': {
    value: 'N',
    check: parseCount,
    summary: 'Show files of that score and more; default: 40',
  },
  policy: {
    short: 'p',
    value: 'FILE',
    completes: 'file',
    summary: 'A policy whose admission says waivers, declares, refuse and model',
  },
  model: { negatable: true, summary: 'Let the trained model add to the rules (default)' },
  jobs: {
    short: 'j',
    value: 'N',
    check: parseCount,
    summary: 'Threads; default: one for each core',
  },
  'time-limit': {
    value: 'TIME',
    check: parseDuration,
    summary: 'For the analysis of one file, which is suspicious beyond it; default: 10s',
  },
  store: {
    negatable: true,
    summary: 'Keep analyses, and count what was found for caisson threats (default)',
  },
  run: {
    summary: 'Run the command after -- over PATH behind the strict wall, and tell what it tried',
  },
  sarif: { summary: 'Print SARIF 2.1.0 instead of text' },
} as const;

export type ScanFlags = typeof scanFlags;

const threatsFlags = {
  days: {
    value: 'N',
    check: parseCount,
    summary: 'Of so many days, today among them; default: 30',
  },
} as const;

export type ThreatsFlags = typeof threatsFlags;

export const scanCommands: readonly Command[] = [
  command({
    name: 'scan',
    summary: 'Look for dangerous code in files, directories and archives, without running it',
    description:
      'Reads JavaScript, TypeScript, Python and shell, also in npm packages (.tgz), wheels, zip files and sdists (.tar.gz), and what package.json runs on installation. Nothing is run without --run. Exit code 77 where a file reaches the threshold or a run did what was not declared, 65 where neither is so and something could not be looked at.',
    flags: scanFlags,
    positionals: [
      {
        name: 'PATH',
        summary: 'files, directories, archives',
        repeatable: true,
        completes: 'file',
      },
    ],
    words: 'COMMAND…',
    examples: [
      'caisson scan node_modules/',
      'caisson scan --profile effect plugin.js --declare network',
      'caisson scan package-1.0.0.tgz --sarif >scan.sarif',
      'caisson scan plugin --run -- node plugin/index.js',
    ],
    load: () => import('./commands/scan.ts'),
  }),
  command({
    name: 'threats',
    summary: 'Show how often scans found which kinds of danger, day by day',
    flags: threatsFlags,
    load: () => import('./commands/threats.ts'),
  }),
];
