/** The passphrase of a key: from a variable of the environment, else typed at the terminal, where it is not shown. */
import { isatty } from 'node:tty';
import { CaissonError } from '../core/error.ts';

export const PASSPHRASE_VARIABLE = 'CAISSON_KEY_PASSPHRASE';
const LENGTH_MAX = 1024;
const [CTRL_C, CTRL_D, BACKSPACE, DELETE] = ['\u0003', '\u0004', '\b', '\u007f'];

/**
 * @param question for the terminal
 * @throws REQUEST_INVALID where there is neither; ABORTED
 */
export async function passphraseFrom(
  variable: string | undefined,
  question: string,
): Promise<string> {
  const name = variable ?? PASSPHRASE_VARIABLE;
  const value = process.env[name];
  if (value !== undefined && value !== '') return value;
  if (variable === undefined && isatty(0) && isatty(2)) return await typed(question);
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'cli',
    message: `there is no passphrase: ${name} is not set`,
    hint: `set ${name}, or type it at a terminal`,
  });
}

async function typed(question: string): Promise<string> {
  const { stdin, stderr } = process;
  // First: what is typed as soon as the question stands there must not be shown.
  stdin.setRawMode(true);
  stderr.write(question);
  stdin.setEncoding('utf8');
  try {
    return await new Promise<string>((resolve, reject) => {
      let text = '';
      const onData = (chunk: string): void => {
        for (const key of chunk) {
          if (key === CTRL_C || key === CTRL_D) {
            end(() => reject(gaveUp()));
            return;
          }
          if (key === '\r' || key === '\n') {
            end(() => resolve(text));
            return;
          }
          if (key === BACKSPACE || key === DELETE) text = [...text].slice(0, -1).join('');
          else if (text.length < LENGTH_MAX) text += key;
        }
      };
      const end = (act: () => void): void => {
        stdin.off('data', onData).off('end', onEnd).pause();
        act();
      };
      const onEnd = (): void => end(() => reject(gaveUp()));
      stdin.on('data', onData).on('end', onEnd).resume();
    });
  } finally {
    stdin.setRawMode(false);
    stderr.write('\n');
  }
}

function gaveUp(): CaissonError {
  return new CaissonError('ABORTED', { layer: 'cli', message: 'no passphrase was typed' });
}
