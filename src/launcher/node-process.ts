/**
 * Starts one of our own programs as a Node process beside this one: what must not share this process's memory. It ends
 * with us, since its IPC channel does.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { execPath } from 'node:process';

/** With an IPC channel. */
export type NodeProcess = ChildProcess;

/** What Node needs of the environment to verify servers as this machine does; nothing else is passed on. */
const KEPT = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_DIR', 'SSL_CERT_FILE'];

/**
 * Does not keep this process alive; whoever waits for an answer calls `ref` on its channel meanwhile.
 *
 * @param program Path of a module.
 */
export function startNodeProcess(program: string): NodeProcess {
  const env = Object.fromEntries(
    KEPT.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
  const child = fork(program, [], {
    // Secrets are in its memory: no core file of it, and no debugger at the sound of a signal.
    execPath: '/bin/sh',
    execArgv: ['-c', 'ulimit -c 0 && exec "$0" "$@"', execPath, '--disable-sigusr1'],
    env,
    cwd: '/',
    // A session of its own: Ctrl-C at a terminal reaches us, and we decide what ends.
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  child.unref();
  child.channel?.unref();
  return child;
}
