/**
 * The screen of `caisson top`: the terminal's alternate one, drawn anew at each sample, key and resize, and given back
 * however it ends. Sequences of ECMA-48 and xterm that every terminal of today knows.
 */
import { writeSync } from 'node:fs';
import type { MachineView } from '../observe/monitor/machine-sandboxes.ts';
import { lendTerminal, terminalSize } from './terminal.ts';
import { renderTop, SORT_KEYS, type SortKey } from './top-view.ts';

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
const CTRL_C = '\u0003';

/** Settles when its reader had enough: q, Ctrl-C, SIGTERM, SIGHUP, or a terminal that is gone. */
export async function showTop(
  read: () => MachineView,
  everyMs: number,
  firstSort: SortKey,
): Promise<void> {
  let sort = firstSort;
  let view = read();
  const ended = Promise.withResolvers<void>();
  const draw = (): void => {
    const { rows, columns } = terminalSize();
    const lines = renderTop(view, { sort, rows: rows - 1, columns });
    const help = `by ${sort} · c cpu  m memory  p processes  n network  q quit`.slice(0, columns);
    const body = [...lines.slice(0, rows - 1), help].map((line) => `${line}${CLEAR_LINE}`);
    put(`${HOME}${body.join('\r\n')}${CLEAR_BELOW}`);
  };
  const put = (text: string): void => {
    try {
      writeSync(1, text);
    } catch (error) {
      // A full terminal is drawn again at the next sample; one that is gone is not.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') ended.resolve();
    }
  };
  const onKeys = (chunk: Buffer): void => {
    for (const key of chunk.toString('latin1')) {
      if (key === 'q' || key === CTRL_C) ended.resolve();
      const chosen = SORT_KEYS[key as keyof typeof SORT_KEYS];
      if (chosen !== undefined) sort = chosen;
    }
    draw();
  };
  const stop = (): void => ended.resolve();
  const leave = (): void => put(LEAVE);
  put(ENTER);
  process.once('exit', leave);
  const giveBack = lendTerminal(draw);
  const timer = setInterval(() => {
    view = read();
    draw();
  }, everyMs);
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.once(signal, stop);
  process.stdin.on('data', onKeys).once('end', stop);
  draw();
  try {
    await ended.promise;
  } finally {
    clearInterval(timer);
    for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.off(signal, stop);
    process.stdin.off('data', onKeys).off('end', stop);
    process.stdin.pause();
    giveBack();
    process.off('exit', leave);
    leave();
  }
}
