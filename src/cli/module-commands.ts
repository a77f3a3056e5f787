/** The commands of `caisson module`, and the flags that they share. */

import { CAPABILITIES } from '../core/admission.ts';
import { parseBytes, parseDuration } from '../core/units.ts';
import { command } from './command.ts';
import { policyFlags } from './flags.ts';

const storeFlags = {
  store: {
    value: 'FILE',
    completes: 'file',
    summary: 'Database of the registry; default: modules.db in the state directory',
  },
} as const;

const trustFlags = {
  trust: {
    value: 'FILE',
    completes: 'file',
    summary: 'Registry of trusted signers; default: trusted-signers.yaml in the state directory',
  },
} as const;

const KINDS = ['js', 'wasm', 'command'] as const;

/** What a module is checked behind: nothing of it is executed, but a compiler reads it. */
export const registerFlags = {
  kind: {
    value: 'KIND',
    choices: KINDS,
    summary: 'js, wasm or command; default: by the name of the file',
  },
  export: {
    short: 'x',
    value: 'NAME',
    summary: 'Export that is called; default: default, of a WASI command _start',
  },
  keep: {
    value: 'WHAT',
    choices: ['nothing', 'isolate', 'context'],
    summary: 'What stays from one execution to the next: nothing (default), isolate, context',
  },
  timeout: {
    short: 't',
    value: 'TIME',
    check: parseDuration,
    summary: 'Wall-clock time of an execution; default: 30s, the ceiling',
  },
  'cpu-time': {
    value: 'TIME',
    check: parseDuration,
    summary: 'CPU time of an execution; default: 5s',
  },
  memory: {
    short: 'm',
    value: 'SIZE',
    check: parseBytes,
    summary: 'Memory of an execution; default: 128MiB, at most 512MiB',
  },
  metadata: { value: 'JSON', summary: 'An object that is kept with it' },
  signature: {
    value: 'FILE',
    completes: 'file',
    repeatable: true,
    summary:
      'What caisson sign wrote (DSSE), or a Sigstore bundle; or a bare Ed25519 signature of the SHA-256 of the code',
  },
  certificate: {
    value: 'FILE',
    completes: 'file',
    summary: 'Of WebAssembly: what caisson prove wrote',
  },
  declare: {
    value: 'EFFECT',
    choices: CAPABILITIES,
    repeatable: true,
    summary: 'An effect that it says it has; counts as far as the policy lets it be declared',
  },
  'public-key': {
    value: 'FILE',
    completes: 'file',
    summary: 'Public key (PEM) that a bare signature is verified with',
  },
  level: policyFlags.level,
  policy: policyFlags.policy,
  accept: policyFlags.accept,
  unisolated: policyFlags.unisolated,
  ...trustFlags,
  ...storeFlags,
} as const;

export const moduleListFlags = {
  kind: { value: 'KIND', choices: KINDS, summary: 'Only of this kind' },
  enabled: { summary: 'Only those that are executed' },
  disabled: { summary: 'Only those that are not' },
  ...storeFlags,
} as const;

export const moduleInspectFlags = {
  code: { summary: 'Print the code instead; with --json beside the rest, in base64' },
  ...storeFlags,
} as const;

export const moduleRunFlags = {
  ...policyFlags,
  input: {
    short: 'i',
    value: 'JSON',
    repeatable: true,
    summary: 'An argument of the export; the next one for the next argument',
  },
  stdin: { summary: 'Hand stdin to a command, or to WASM' },
  export: { short: 'x', value: 'NAME', summary: 'Another export than it was registered with' },
  ...trustFlags,
  ...storeFlags,
} as const;

export const moduleNameFlags = storeFlags;

const module = { name: 'MODULE', summary: 'ID@VERSION, or ID for its latest release' } as const;
const exact = { name: 'MODULE', summary: 'ID@VERSION' } as const;

export const moduleCommands = [
  command({
    name: 'module register',
    summary: 'Check a module and keep it under a version that never changes',
    description:
      'Nothing of it is executed: JavaScript and TypeScript are compiled behind a wall, WebAssembly is read. The same content again changes nothing; other content under the same version is refused.',
    flags: registerFlags,
    positionals: [
      exact,
      {
        name: 'FILE',
        summary: 'code: .js, .mjs, .ts, .mts or .wasm; of a command the words after --',
        optional: true,
        completes: 'file',
      },
    ],
    words: 'COMMAND [ARGUMENT…]',
    examples: [
      'caisson module register greet@1.0.0 greet.js --keep context --timeout 200ms',
      'caisson module register count@1.0.0 -- wc -w',
    ],
    load: () => import('./commands/module-register.ts'),
  }),
  command({
    name: 'module list',
    summary: 'List the modules that are registered',
    flags: moduleListFlags,
    positionals: [{ name: 'ID', summary: 'versions of this one alone', optional: true }],
    load: () => import('./commands/module-list.ts'),
  }),
  command({
    name: 'module inspect',
    summary: 'Show a module, what it imports and exports, and how its executions ended',
    flags: moduleInspectFlags,
    positionals: [module],
    load: () => import('./commands/module-inspect.ts'),
  }),
  command({
    name: 'module run',
    summary: 'Execute a module, and print its value as JSON',
    description:
      'Its limits are those it was registered with, and those of the policy. The exit code is that of the program, 1 for what it threw.',
    flags: moduleRunFlags,
    positionals: [module],
    words: 'WORD…',
    examples: [
      'caisson module run greet --input \'"world"\'',
      'caisson module run count@1.0.0 --stdin <README.md',
    ],
    load: () => import('./commands/module-run.ts'),
  }),
  command({
    name: 'module disable',
    summary: 'Let a module not be executed any more',
    description: 'Executions that have begun come to their end.',
    flags: moduleNameFlags,
    positionals: [module],
    load: () => import('./commands/module-disable.ts'),
  }),
  command({
    name: 'module enable',
    summary: 'Let a module be executed again',
    flags: moduleNameFlags,
    positionals: [module],
    load: () => import('./commands/module-enable.ts'),
  }),
  command({
    name: 'module remove',
    summary: 'Forget one version of a module',
    description: 'Under that version only the same content can be registered again.',
    flags: moduleNameFlags,
    positionals: [exact],
    load: () => import('./commands/module-remove.ts'),
  }),
];
