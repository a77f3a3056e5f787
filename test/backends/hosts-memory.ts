/** What the kernel says of the memory of host processes that this process started. */
import { readdirSync, readFileSync } from 'node:fs';

export interface HostSeen {
  readonly pid: number;
  /** As it was told what a guest may have, bytes. */
  readonly memoryBytes: number;
  /** Anonymous and shared memory that is resident, bytes: what a guest can make grow. */
  readonly residentBytes: number;
}

/** Hosts of `engine` among the descendants of this process. */
export function hostsOf(engine: 'isolate' | 'wasm'): HostSeen[] {
  return descendants(process.pid).flatMap((pid) => {
    const argv = textOf(`/proc/${pid}/cmdline`).split('\0');
    const program = argv.findIndex((word) => word.endsWith(`/${engine}/host.ts`));
    if (program < 0) return [];
    const status = textOf(`/proc/${pid}/status`);
    const amount = (name: string): number =>
      Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) * 1024;
    return [
      {
        pid,
        memoryBytes: Number(argv[program + 1]),
        residentBytes: amount('RssAnon') + amount('RssShmem'),
      },
    ];
  });
}

export function descendants(pid: number): number[] {
  let tasks: string[] = [];
  try {
    tasks = readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
  const children = tasks.flatMap((task) =>
    textOf(`/proc/${pid}/task/${task}/children`)
      .split(' ')
      .filter((word) => word.trim() !== '')
      .map(Number),
  );
  return children.flatMap((child) => [child, ...descendants(child)]);
}

/** Empty where it is gone. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
