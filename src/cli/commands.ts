/**
 * Every command: what it is called, what it takes, what help says of it. Its action lies in commands/.
 */
import { LEVEL_NAMES } from '../policy/levels.ts';
import { profiles } from '../policy/profiles.ts';
import { type Command, command } from './command.ts';
import { learnFlags, policyFlags, runFlags } from './flags.ts';

const overlayId = {
  name: 'ID',
  summary: 'which changes; default: the latest of this directory',
  optional: true,
} as const;

const policyFile = { name: 'POLICY', completes: 'file' } as const;

const workspaceText = [
  'The workspace is the directory that `.` means in a policy. Without --policy and --profile, nothing of it',
  'shows inside at the level strict until --read or --write names it; --workspace DIR makes it writable.',
].join(' ');

export const commands: readonly Command[] = [
  command({
    name: 'run',
    summary: 'Run a command isolated',
    description: `The level is strict unless said otherwise: system directories read-only, a private /tmp, no network, and nothing else. ${workspaceText}`,
    flags: runFlags,
    guest: 'required',
    examples: [
      'caisson run -- python3 -c "print(6*7)"',
      'caisson run --write . --timeout 1m -- make',
      'caisson run --profile agent --net full -- npm install',
    ],
    load: () => import('./commands/run.ts'),
  }),
  command({
    name: 'shell',
    summary: 'Open a shell isolated',
    description: workspaceText,
    flags: runFlags,
    guest: 'optional',
    examples: ['caisson shell --profile agent', 'caisson shell --level moderate -- zsh'],
    load: () => import('./commands/shell.ts'),
  }),
  command({
    name: 'learn',
    summary: 'Run a command WITHOUT isolation, and write the smallest policy for what it used',
    description:
      'The command runs once, with all your rights, while the files, destinations, system calls and memory that it uses are noted. Learn with code that you trust and inputs that are complete. Its exit code is passed on.',
    flags: learnFlags,
    guest: 'required',
    examples: [
      'caisson learn -o policy.yaml -- make test',
      'caisson learn --tighten policy.yaml -- make test',
    ],
    load: () => import('./commands/learn.ts'),
  }),
  command({
    name: 'explain',
    summary: 'Show what enforces each clause of a policy on this machine',
    flags: policyFlags,
    positionals: [{ ...policyFile, summary: 'the same as --policy', optional: true }],
    examples: ['caisson explain examples/agent.yaml', 'caisson explain --level paranoid'],
    load: () => import('./commands/explain.ts'),
  }),
  command({
    name: 'compile',
    summary: 'Write the binary plan that the launcher runs without Node',
    flags: {
      ...policyFlags,
      cwd: runFlags.cwd,
      out: { short: 'o', value: 'FILE', completes: 'file', summary: 'Where the plan is written' },
    },
    positionals: [{ ...policyFile, summary: 'the same as --policy', optional: true }],
    examples: ['caisson compile p.yaml -o p.plan'],
    load: () => import('./commands/compile.ts'),
  }),
  command({
    name: 'doctor',
    summary: 'Show what this machine can isolate with, and what would cure what is missing',
    flags: {},
    load: () => import('./commands/doctor.ts'),
  }),
  command({
    name: 'diff',
    summary: 'Show what a run with an overlay changed',
    flags: { list: { summary: 'List all changes that are kept, instead of showing some' } },
    positionals: [overlayId],
    load: () => import('./commands/diff.ts'),
  }),
  command({
    name: 'apply',
    summary: 'Bring the changes of a run with an overlay into the workspace',
    flags: {
      'skip-protected': { summary: 'Leave out what the policy protects, instead of refusing' },
      only: {
        value: 'PATH',
        repeatable: true,
        summary: 'Apply this path and what is below it alone; the rest stays kept',
      },
    },
    positionals: [overlayId],
    load: () => import('./commands/apply.ts'),
  }),
  command({
    name: 'discard',
    summary: 'Forget the changes of a run with an overlay',
    flags: { all: { summary: 'Forget all that are kept' } },
    positionals: [overlayId],
    load: () => import('./commands/discard.ts'),
  }),
  command({
    name: 'clean',
    summary: 'Remove what runs that were killed left behind',
    flags: { 'dry-run': { summary: 'Say what would be removed' } },
    load: () => import('./commands/clean.ts'),
  }),
  command({
    name: 'policy check',
    summary: 'Say whether policies are valid',
    flags: {},
    positionals: [{ ...policyFile, summary: 'the files to check', repeatable: true }],
    load: () => import('./commands/policy-check.ts'),
  }),
  command({
    name: 'policy diff',
    summary: 'Say what one policy allows that another does not, with examples',
    flags: {},
    positionals: [
      { name: 'A', summary: 'a file or profile', completes: 'file' },
      { name: 'B', summary: 'another', completes: 'file' },
    ],
    load: () => import('./commands/policy-diff.ts'),
  }),
  command({
    name: 'policy show',
    summary: 'Show a policy with everything that its level and profiles fill in',
    flags: policyFlags,
    positionals: [{ ...policyFile, summary: 'the same as --policy', optional: true }],
    load: () => import('./commands/policy-show.ts'),
  }),
  command({
    name: 'policy init',
    summary: 'Write a policy to start from',
    flags: {
      level: {
        short: 'l',
        value: 'LEVEL',
        choices: LEVEL_NAMES,
        summary: 'Level of the new policy; default: the profile’s own',
      },
      out: {
        short: 'o',
        value: 'FILE',
        completes: 'file',
        summary: 'Write it there, where nothing is yet; default: stdout',
      },
    },
    positionals: [
      {
        name: 'PROFILE',
        summary: 'profile to build on; default: agent',
        optional: true,
        choices: Object.keys(profiles),
      },
    ],
    load: () => import('./commands/policy-init.ts'),
  }),
  command({
    name: 'completion',
    summary: 'Print the completion of a shell',
    flags: {},
    positionals: [
      { name: 'SHELL', summary: 'bash, zsh or fish', choices: ['bash', 'zsh', 'fish'] },
    ],
    examples: ['source <(caisson completion bash)'],
    load: () => import('./commands/completion.ts'),
  }),
];
