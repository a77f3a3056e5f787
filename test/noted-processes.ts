/**
 * Processes that have to go, told from those that get their numbers later: where others fork, the kernel gives a number out
 * again within seconds (pid_max is 32768 on many machines).
 */
import { statOf } from './proc-stat.ts';

export class NotedProcesses {
  /** Starts, in ticks since boot, by pid. */
  readonly #starts = new Map<number, string>();

  /** @param pids of processes that run now; who has ended meanwhile is passed over */
  constructor(pids: Iterable<number> = []) {
    for (const pid of pids) this.note(pid);
  }

  note(pid: number): void {
    const stat = statOf(pid);
    if (stat) this.#starts.set(pid, stat.startTime);
  }

  get size(): number {
    return this.#starts.size;
  }

  /** Who is there yet, a zombie too: number, name and state of each. */
  left(): string[] {
    return [...this.#starts].flatMap(([pid, start]) => {
      const stat = statOf(pid);
      return stat?.startTime === start ? [`${pid} (${stat.name}) ${stat.state}`] : [];
    });
  }
}
