/**
 * Processes that have to go, told from those that get their numbers later: where others fork, the kernel gives a number out
 * again within seconds (pid_max is 32768 on many machines).
 */
import { readFileSync } from 'node:fs';

export class NotedProcesses {
  /** Starts, in ticks since boot, by pid. */
  readonly #starts = new Map<number, string>();

  /** @param pids of processes that run now; who has ended meanwhile is passed over */
  constructor(pids: Iterable<number> = []) {
    for (const pid of pids) this.note(pid);
  }

  note(pid: number): void {
    const stat = statOf(pid);
    if (stat) this.#starts.set(pid, stat.start);
  }

  get size(): number {
    return this.#starts.size;
  }

  /** Who is there yet, a zombie too: number, name and state of each. */
  left(): string[] {
    return [...this.#starts].flatMap(([pid, start]) => {
      const stat = statOf(pid);
      return stat?.start === start ? [`${pid} ${stat.name} ${stat.state}`] : [];
    });
  }
}

/** As proc_pid_stat(5) has it: a name is in parentheses, and may hold some. */
function statOf(pid: number): { name: string; state: string; start: string } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  const end = text.lastIndexOf(')');
  const fields = text.slice(end + 2).split(' ');
  const [state = ''] = fields;
  return { name: text.slice(text.indexOf('('), end + 1), state, start: fields[19] ?? '' };
}
