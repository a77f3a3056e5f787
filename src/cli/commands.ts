/**
 * Every command: what it is called, what it takes, what help says of it. Its action lies in commands/.
 */
import { parseDuration } from '../core/units.ts';
import { LEVEL_NAMES } from '../policy/levels.ts';
import { profiles } from '../policy/profiles.ts';
import { accessCommands } from './access-commands.ts';
import { type Command, command } from './command.ts';
import { configCommands } from './config-commands.ts';
import { evalFlags } from './eval-flags.ts';
import { learnFlags, policyFlags, runFlags } from './flags.ts';
import { mcpFlags } from './mcp-flags.ts';
import { moduleCommands } from './module-commands.ts';
import { proveFlags } from './prove-flags.ts';
import { scanCommands } from './scan-commands.ts';
import { serveCommands } from './serve-commands.ts';
import { signingCommands } from './signing-commands.ts';
import { vouchingFlags } from './vouching-flags.ts';

const overlayId = {
  name: 'ID',
  summary: 'which changes; default: the latest of this directory',
  optional: true,
} as const;

const policyFile = { name: 'POLICY', completes: 'file' } as const;

const auditLog = {
  name: 'PATH',
  summary: 'directory of the log, or one of its files',
  completes: 'directory',
} as const;

/** Which records, and how they are shown. */
const recordFlags = {
  event: {
    value: 'NAME',
    repeatable: true,
    summary: 'Only these: created, started, ended, refused, violation, network …',
  },
  run: { value: 'ID', summary: 'Only of this run or sandbox' },
  tenant: { value: 'NAME', summary: 'Only of this tenant' },
  format: {
    value: 'NAME',
    choices: ['text', 'jsonl', 'pipe'],
    summary: 'text (default), jsonl: as it was recorded, or pipe: columns for simple tools',
  },
} as const;

const workspaceText = [
  'The workspace is the directory that `.` means in a policy. Without --policy and --profile, nothing of it',
  'shows inside at the level strict until --read or --write names it; --workspace DIR makes it writable.',
].join(' ');

export const commands: readonly Command[] = [
  command({
    name: 'run',
    summary: 'Run a command isolated',
    description: `The level is strict unless said otherwise: system directories read-only, a private /tmp, no network, and nothing else. ${workspaceText}`,
    flags: { ...runFlags, ...vouchingFlags },
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
    name: 'eval',
    summary: 'Run a source with an input, and print its value as JSON',
    description: `JavaScript and TypeScript: the default export is called with the input, in an isolate behind the wall of the level. WASM: a command, or with --export one function. Python and shell are commands: the input is JSON on stdin, and what they print is the value. The exit code is the program’s own, 1 for what it threw. ${workspaceText}`,
    flags: evalFlags,
    positionals: [
      {
        name: 'LANGUAGE',
        summary: 'javascript, typescript, python, shell or wasm',
        choices: ['javascript', 'typescript', 'python', 'shell', 'wasm'],
      },
      { name: 'SOURCE', summary: 'the source itself; or --file FILE', optional: true },
    ],
    words: 'WORD…',
    examples: [
      `caisson eval javascript 'export default (a) => a.map(x => x*x)' --input '[1,2,3]'`,
      'caisson eval python --file report.py --input - <data.json',
      'caisson eval wasm --file wc.wasm --dir /data=. -- /data/README.md',
    ],
    load: () => import('./commands/eval.ts'),
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
    name: 'ps',
    summary: 'List the sandboxes of this user’s managers',
    description:
      'A manager is part of caisson mcp, of the service, and of programs that use it of the library; it writes down what it runs. Where the manager died, its sandboxes have gone with it, and the next manager to start cleans up after it.',
    flags: { all: { short: 'a', summary: 'Those that have ended, too' } },
    examples: ['caisson ps --json'],
    load: () => import('./commands/ps.ts'),
  }),
  command({
    name: 'kill',
    summary: 'End sandboxes of this user’s managers',
    description:
      'Everything in them ends, and what was not applied or saved is gone. Whoever runs them is told that they ended; their manager notes them as Failed. Those of a service are killed through it: DELETE /api/sandboxes/{id}, or this on its machine, as its user.',
    flags: {},
    positionals: [{ name: 'ID', summary: 'as caisson ps shows it, whole', repeatable: true }],
    examples: ['caisson kill 01a2b3c4-5d6e-7f80-9a1b-2c3d4e5f6071'],
    load: () => import('./commands/kill.ts'),
  }),
  command({
    name: 'top',
    summary: 'Show what the sandboxes of this machine use, live',
    description:
      'Sandboxes of every Caisson process that you may look at: your own, or all of them as root. They are found by their launchers in /proc and counted by their cgroups; those without one (~) by their processes. Keys: c, m, p, n sort, q quits. Where a manager of this user has written one down, its id, state, tenant and labels are shown. An open sandbox in which nothing runs looks like one that stands ready, and is counted with those, unless it is named so. A rate under NET/s is what its network namespace received, loopback too.',
    flags: {
      once: { summary: 'Print one sample and end; so it does without a terminal, and with --json' },
      interval: {
        short: 'i',
        value: 'TIME',
        check: parseDuration,
        summary: 'Between samples; default: 1s',
      },
      sort: {
        short: 's',
        value: 'KEY',
        choices: ['cpu', 'memory', 'processes', 'network'],
        summary: 'cpu (default), memory, processes or network',
      },
    },
    examples: ['caisson top --sort memory', 'caisson top --once --json'],
    load: () => import('./commands/top.ts'),
  }),
  command({
    name: 'mcp',
    summary: 'Serve sandboxes to an agent over the Model Context Protocol',
    description:
      'Over stdin and stdout for an agent that starts it, or over streamable HTTP. The policy is what this command line says; a model can narrow it, and never widen it. docs/mcp.md says how agents are set up.',
    flags: mcpFlags,
    examples: [
      'caisson mcp',
      'caisson mcp --workspace . --ask',
      'caisson mcp --profile python --net pypi.org --http 127.0.0.1:8641',
    ],
    load: () => import('./commands/mcp.ts'),
  }),
  ...moduleCommands,
  command({
    name: 'prove',
    summary: 'Instrument a WebAssembly module, and certify what it cannot exceed',
    description:
      'The instrumented module counts its own fuel and stack; the certificate (wasm-pcc/v1) lets anybody check, without trusting who made it, that it does so everywhere, and what it imports, exports and executes. With --check, exit code 65 where it is not true.',
    flags: proveFlags,
    positionals: [
      { name: 'MODULE', summary: 'a core module', completes: 'file' },
      { name: 'CERTIFICATE', summary: 'with --check', completes: 'file', optional: true },
    ],
    examples: [
      'caisson prove hash.wasm',
      'caisson prove --check hash.proved.wasm hash.proved.wasm.pcc',
    ],
    load: () => import('./commands/prove.ts'),
  }),
  ...scanCommands,
  ...signingCommands,
  ...accessCommands,
  ...serveCommands,
  ...configCommands,
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
    name: 'audit verify',
    summary: 'Say whether an audit log is what was written, and where it is not',
    description:
      'Exit code 65 where it is not. A tail that was cut off cannot be found without --expect-head or --checkpoints.',
    flags: {
      key: {
        short: 'k',
        value: 'FILE',
        completes: 'file',
        summary:
          'Public key of the log, from a place that its writer cannot reach; default: PATH.key.pub',
      },
      'expect-head': {
        value: 'SEQ|HASH',
        summary: 'A record that must be there: what an earlier verification printed as head',
      },
      checkpoints: {
        value: 'DIR',
        completes: 'directory',
        summary: 'Where the checkpoints of the log were shipped to',
      },
      log: { value: 'ID', summary: 'The log that this must be' },
    },
    positionals: [auditLog],
    examples: ['caisson audit verify /var/log/caisson --key audit.pub --checkpoints /mnt/witness'],
    load: () => import('./commands/audit-verify.ts'),
  }),
  command({
    name: 'audit query',
    summary: 'Show the records of an audit log that match',
    description: 'Does not verify them; caisson audit verify does.',
    flags: {
      ...recordFlags,
      since: {
        value: 'TIME',
        summary: 'From then on: 2026-01-31, 2026-01-31T12:00:00Z, or 2h (ago)',
      },
      until: { value: 'TIME', summary: 'Before then' },
      limit: { value: 'N', summary: 'So many at most, the oldest' },
    },
    positionals: [auditLog],
    examples: ['caisson audit query /var/log/caisson --event violation --since 1h'],
    load: () => import('./commands/audit-query.ts'),
  }),
  command({
    name: 'audit tail',
    summary: 'Show the last records of an audit log',
    flags: {
      ...recordFlags,
      follow: { short: 'f', summary: 'And those that come, until it is interrupted' },
      lines: { short: 'n', value: 'N', summary: 'So many; default: 10' },
    },
    positionals: [auditLog],
    examples: ['caisson audit tail -f /var/log/caisson --event refused'],
    load: () => import('./commands/audit-tail.ts'),
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
