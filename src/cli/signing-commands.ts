/** `caisson sign`, `caisson verify` and the commands of `caisson keys`, and the flags that they share. */
import { parseBytes, parseDuration } from '../core/units.ts';
import { command } from './command.ts';

const KINDS = ['javascript', 'typescript', 'python', 'shell', 'wasm', 'command'] as const;

const subjectFlags = {
  id: { value: 'ID', summary: 'What it is called; default: the name of the file' },
  'module-version': { value: 'VERSION', summary: 'Of a module; default: none, it is a program' },
  kind: {
    value: 'KIND',
    choices: [...KINDS, 'js'],
    summary: `${KINDS.join(', ')}; default: by the name of the file`,
  },
} as const;

const boundFlags = {
  declares: {
    value: 'CAPABILITY',
    repeatable: true,
    summary: 'May declare this, and what else is named so; default: left open',
  },
  timeout: {
    short: 't',
    value: 'TIME',
    check: parseDuration,
    summary: 'Most wall-clock time of an execution; default: left open',
  },
  'cpu-time': {
    value: 'TIME',
    check: parseDuration,
    summary: 'Most CPU time of an execution; default: left open',
  },
  memory: {
    short: 'm',
    value: 'SIZE',
    check: parseBytes,
    summary: 'Most memory of an execution; default: left open',
  },
} as const;

const passphraseFlag = {
  'passphrase-env': {
    value: 'NAME',
    summary: 'Variable with the passphrase; default: CAISSON_KEY_PASSPHRASE, else the terminal',
  },
} as const;

const trustFlag = {
  trust: {
    value: 'FILE',
    completes: 'file',
    summary: 'Registry of trusted signers; default: trusted-signers.yaml in the state directory',
  },
} as const;

export const signFlags = {
  key: {
    short: 'k',
    value: 'FILE',
    completes: 'file',
    summary: 'Private key: PEM or JWK, mode 0600',
  },
  ...subjectFlags,
  ...boundFlags,
  out: {
    short: 'o',
    value: 'FILE',
    completes: 'file',
    summary: 'Where the envelope is written; default: FILE.sig',
  },
  replace: { summary: 'Write the envelope anew, instead of adding to the one that is there' },
  unsigned: { summary: 'Print what would be signed, for another tool to sign' },
  ...passphraseFlag,
} as const;

export const verifyFlags = {
  signature: {
    short: 's',
    value: 'FILE',
    completes: 'file',
    repeatable: true,
    summary: 'Envelope or Sigstore bundle; default: FILE.sig',
  },
  ...subjectFlags,
  declares: { ...boundFlags.declares, summary: 'What it declares; default: nothing' },
  timeout: { ...boundFlags.timeout, summary: 'Wall-clock time that it is given' },
  'cpu-time': { ...boundFlags['cpu-time'], summary: 'CPU time that it is given' },
  memory: { ...boundFlags.memory, summary: 'Memory that it is given' },
  by: {
    value: 'NAME',
    repeatable: true,
    summary: 'Signer or group that must have signed, or another named so; default: any trusted',
  },
  wall: { value: 'WALL', summary: 'Wall that it is to run behind; default: says which' },
  ...trustFlag,
} as const;

export const generateFlags = {
  name: { value: 'NAME', summary: 'Of the files, NAME.key and NAME.pub; default: signing' },
  encrypt: { summary: 'Protect the private key with a passphrase' },
  ...passphraseFlag,
} as const;

export const listFlags = trustFlag;

export const trustFlags = {
  key: { short: 'k', value: 'FILE', completes: 'file', summary: 'Public key: PEM or JWK' },
  issuer: { value: 'URL', summary: 'Instead of a key: who issued the identity, exactly' },
  subject: {
    value: 'PATTERN',
    summary: 'With --issuer: whom the certificate names; * is all but /, ** anything',
  },
  root: { value: 'FILE', completes: 'file', summary: 'With --issuer: trusted_root.json' },
  of: { value: 'NAME', repeatable: true, summary: 'Instead: a group of these signers' },
  threshold: { value: 'N', summary: 'With --of: how many of them must sign; default: all' },
  ids: {
    value: 'PATTERN',
    repeatable: true,
    summary: 'Only for these ids; of a group: ids that need it',
  },
  kinds: { value: 'KIND', repeatable: true, choices: KINDS, summary: 'Only for these kinds' },
  walls: { value: 'WALL', repeatable: true, summary: 'Only behind these walls' },
  from: { value: 'TIME', summary: 'Not before: 2027-01-31, or 2027-01-31T12:00:00Z' },
  until: { value: 'TIME', summary: 'Until then, excluded' },
  replace: { summary: 'In place of whoever is called so; what was revoked stays revoked' },
  ...trustFlag,
} as const;

export const revokeFlags = {
  reason: { value: 'TEXT', summary: 'Why; stands in every refusal' },
  ...trustFlag,
} as const;

const file = {
  name: 'FILE',
  summary: 'code; of a command the words after --',
  optional: true,
  completes: 'file',
} as const;

export const signingCommands = [
  command({
    name: 'sign',
    summary: 'Sign code under the id, version and kind that it is run as',
    description:
      'The signature is good for this code under this name alone. Where FILE.sig holds an envelope about the same, the signature is added to it.',
    flags: signFlags,
    positionals: [file],
    words: 'COMMAND [ARGUMENT…]',
    examples: [
      'caisson sign greet.js --key signing.key --id greet --module-version 1.0.0',
      'caisson sign greet.js --id greet --module-version 1.0.0 --unsigned',
    ],
    load: () => import('./commands/sign.ts'),
  }),
  command({
    name: 'verify',
    summary: 'Say whether code is signed by those who are trusted for it',
    description:
      'Exit code 65 where a signature is none or of something else, 77 where nobody who is trusted for it has signed.',
    flags: verifyFlags,
    positionals: [file],
    words: 'COMMAND [ARGUMENT…]',
    examples: ['caisson verify greet.js --id greet --module-version 1.0.0'],
    load: () => import('./commands/verify.ts'),
  }),
  command({
    name: 'keys generate',
    summary: 'Make a key to sign with; the private one is written, never printed',
    flags: generateFlags,
    positionals: [
      { name: 'DIRECTORY', summary: 'where the files are written', completes: 'directory' },
    ],
    examples: ['caisson keys generate ~/keys --name release --encrypt'],
    load: () => import('./commands/keys-generate.ts'),
  }),
  command({
    name: 'keys list',
    summary: 'List the trusted signers and groups',
    flags: listFlags,
    load: () => import('./commands/keys-list.ts'),
  }),
  command({
    name: 'keys trust',
    summary: 'Trust a key, a Sigstore identity, or several signers together',
    flags: trustFlags,
    positionals: [{ name: 'NAME', summary: 'what messages and policies call it' }],
    examples: [
      "caisson keys trust alice --key alice.pub --ids 'pay-*' --until 2027-01-31",
      'caisson keys trust release --of alice --of bob --of carol --threshold 2',
    ],
    load: () => import('./commands/keys-trust.ts'),
  }),
  command({
    name: 'keys revoke',
    summary: 'Trust a signer no more, whenever it signed',
    flags: revokeFlags,
    positionals: [{ name: 'NAME', summary: 'the signer, or its key by its id' }],
    examples: ['caisson keys revoke alice --reason "laptop stolen"'],
    load: () => import('./commands/keys-revoke.ts'),
  }),
];
