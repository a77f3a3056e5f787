/**
 * Asks the person at the terminal what no rule of the policy decides. Anything but a clear yes is a no.
 */
import { createInterface } from 'node:readline/promises';
import { isatty } from 'node:tty';
import { CaissonError } from '../core/error.ts';
import type { Ask } from '../network/questions.ts';

/** One question at a time; the others wait. @throws REQUEST_INVALID without a terminal */
export function askPerson(): Ask {
  if (!isatty(0) || !isatty(2)) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'cli',
      message: '--ask needs a person: stdin and stderr are no terminal',
      hint: 'name the destinations instead: --net HOST',
    });
  }
  let last: Promise<unknown> = Promise.resolve();
  return (question) => {
    const answer = last.then(() => put(question.target));
    last = answer.catch(() => {});
    return answer;
  };
}

async function put(target: string): Promise<{ allow: boolean; remember: boolean }> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const words = `caisson: may it reach ${target}? [y]es, [a]lways in this run, [N]o: `;
    const answer = (await terminal.question(words)).trim().toLowerCase();
    const always = ['a', 'always'].includes(answer);
    return { allow: always || ['y', 'yes'].includes(answer), remember: always };
  } finally {
    terminal.close();
  }
}
