/**
 * A machine of a script's own, as far as it can see: pid, network, IPC and mount namespaces, and the directories that anybody
 * may leave something in, empty. Root only.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';

/** CAISSON_… are settings of the service, which refuses those that it does not know. */
const INSIDE = 'ON_OWN_MACHINE';
const REPOSITORY = join(import.meta.dirname, '..');

/** In there nothing is at first, and nothing is anybody else's. */
export const SHARED_DIRECTORIES = ['/tmp', '/var/tmp', '/run', '/dev/shm'].filter(
  (path) => !REPOSITORY.startsWith(`${path}/`),
);

/**
 * Runs the script once more, in there, and then `work` in it; what that comes to is this process's exit code (2: not root).
 *
 * @param script `import.meta.filename` of whoever calls
 * @param work is given a directory that goes with it, below `build`
 */
export async function onOwnMachine(
  script: string,
  work: (directory: string) => Promise<number>,
): Promise<void> {
  if (process.geteuid?.() !== 0) {
    process.stderr.write('needs root\n');
    process.exitCode = 2;
  } else if (process.env[INSIDE] === undefined) process.exitCode = enter(script);
  else process.exitCode = await inOwnDirectory(basename(script, '.ts'), work);
}

/** The shell is the namespace's process 1 and reaps what is orphaned; with us everything in it ends. */
function enter(script: string): number {
  const shell = 'mount --make-rprivate / && "$@"; exit $?';
  const own = [process.execPath, script, ...process.argv.slice(2)];
  const namespaces = ['--pid', '--net', '--ipc', '--mount-proc', '--fork', '--kill-child'];
  const { status } = spawnSync('unshare', [...namespaces, 'sh', '-c', shell, 'sh', ...own], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1' },
  });
  return status ?? 1;
}

async function inOwnDirectory(
  name: string,
  work: (directory: string) => Promise<number>,
): Promise<number> {
  for (const path of SHARED_DIRECTORIES) execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', path]);
  const build = join(REPOSITORY, 'build');
  mkdirSync(build, { recursive: true });
  const directory = mkdtempSync(join(build, `${name}-`));
  chmodSync(directory, 0o755);
  try {
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
