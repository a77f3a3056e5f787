/**
 * A learned policy as YAML, with a comment for every entry. Pure.
 */

import { SIZE_HEADROOM, TIME_HEADROOM } from './learned-limits.ts';
import type { LearnedPolicy, Reasoned } from './learned-policy.ts';

/** Column in which comments begin, where the entry leaves room. */
const COMMENT_AT = 36;

export function writePolicy(learned: LearnedPolicy, argv: readonly string[]): string {
  const { document, notes } = learned;
  const { filesystem, environment, network, devices } = document;
  const lines = [
    `# Learned from one run of: ${oneLine(argv.join(' '))}`,
    '# It allows what that run used. Read it before you rely on it; what another run needs, it does not know.',
    ...notes.map((note) => `# - ${oneLine(note)}`),
    'version: 1',
    `name: ${word(document.name ?? '')}`,
    `level: ${document.level}`,
    '',
    'filesystem:',
    ...(filesystem?.workspace === 'staged'
      ? [
          '  # The run sees copies of what `read` names, and of what it makes `write` comes out; nothing else does.',
          '  workspace: staged',
          '  apply: auto',
        ]
      : ['  workspace: none']),
    ...(filesystem?.sys === true ? ['  sys: true'] : []),
    ...list('read', learned.read),
    ...list('write', learned.write),
  ];
  if (network !== undefined) {
    const ports = learned.listen.map(({ port, reason }) => ({ text: `${port}`, reason }));
    lines.push('', 'network:', '  mode: filtered', ...list('allow', learned.allow));
    if (ports.length > 0) lines.push(...list('listen', ports, false));
  }
  lines.push(
    '',
    '# Which variables it read cannot be seen from outside; the level passes on what is harmless. Add others under',
    '# environment.pass.',
  );
  if (environment?.set !== undefined) {
    lines.push('environment:', '  set:');
    for (const [name, value] of Object.entries(environment.set)) {
      lines.push(comment(`    ${name}: ${word(String(value))}`, 'it reads files of the home'));
    }
  }
  if (learned.calls.allow.length > 0) {
    lines.push('', 'syscalls:', ...list('allow', learned.calls.allow));
  }
  if (devices !== undefined)
    lines.push('', 'devices:', ...devices.map((each) => `  - ${word(each)}`));
  lines.push(
    '',
    `# Peaks of that run times ${SIZE_HEADROOM}, times times ${TIME_HEADROOM}, and not below what any change would need.`,
    'limits:',
    ...learned.limits.map(({ key, value, reason }) => comment(`  ${key}: ${value}`, reason)),
  );
  return `${lines.join('\n')}\n`;
}

function list(key: string, entries: readonly Reasoned[], text = true): string[] {
  if (entries.length === 0) return [`  ${key}: []`];
  return [
    `  ${key}:`,
    ...entries.map((each) => comment(`    - ${word(each.text, text)}`, each.reason)),
  ];
}

function comment(line: string, text: string): string {
  return `${line.padEnd(COMMENT_AT)} # ${oneLine(text)}`;
}

/** Nothing of a traced run may end a comment's line. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u0085\u2028\u2029]/gu, '?');
}

/** Quoted as JSON, which YAML reads as well, unless it is plainly a word to YAML too. */
function word(text: string, isText = true): string {
  if (!isText) return text;
  const plain = /^[A-Za-z_./][A-Za-z0-9_./+@ -]*$/.test(text) && !/\s$/.test(text);
  const reserved = /^(true|false|yes|no|on|off|null|y|n|\.{1,3}|\.inf|\.nan)$/i.test(text);
  return plain && !reserved && !/^\.[0-9]/.test(text) ? text : JSON.stringify(text);
}
