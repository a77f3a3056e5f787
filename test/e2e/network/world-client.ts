/** The test's side of the small internet: what is run there, and what its servers saw of it. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Usage, Violation } from '../../../src/core/outcome.ts';
import type { ObservedEvent } from '../../../src/core/ports.ts';
import type { PolicyInput } from '../../../src/sandbox/policy-book.ts';
import type { Seen } from './world.ts';

export interface WorldRequest {
  readonly number: number;
  readonly argv?: readonly string[];
  readonly policy: PolicyInput;
  readonly secrets?: Readonly<Record<string, string>>;
  /** Through what the guest is run and its output read; default `run`. `file`: what it writes to /tmp/out. */
  readonly how?: 'run' | 'spawn' | 'exec' | 'shell' | 'file';
  /** A second command in the same sandbox, under other destinations: its output alone is told. */
  readonly then?: { readonly allow: readonly string[]; readonly argv: readonly string[] };
  /** Every question of the guest is answered so, so much later; default: nobody is asked. */
  readonly answer?: { readonly allow: boolean; readonly afterMs: number };
  /** No guest: a command of this world's host, which asks its name server. */
  readonly host?: HostCommand;
  /** Another answer of the name server from now on. */
  readonly point?: readonly [name: string, addresses: readonly string[]];
}

export interface HostCommand {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface HostRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seen: Seen;
}

export interface WorldRun {
  readonly kind: string;
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly violations: readonly Violation[];
  readonly usage: Usage;
  readonly seen: Seen;
  readonly events: readonly ObservedEvent[];
}

export interface WorldReply {
  readonly number: number;
  readonly run?: WorldRun;
  readonly hostRun?: HostRun;
  /** What was asked, until now: the rules that a yes stands for. */
  readonly asked?: readonly string[];
  readonly error?: string;
}

export class WorldClient {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #waiting = new Map<
    number,
    { resolve(reply: WorldReply): void; reject(error: Error): void }
  >();
  #last = 0;

  private constructor(child: ChildProcess, directory: string) {
    this.#child = child;
    this.#directory = directory;
    child.on('message', (reply: WorldReply) => {
      const waiting = this.#waiting.get(reply.number);
      this.#waiting.delete(reply.number);
      if (reply.error === undefined) waiting?.resolve(reply);
      else waiting?.reject(new Error(reply.error));
    });
    child.once('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`world ended: ${code}`));
    });
  }

  /** Needs root: the namespace is made with unshare(1), before any Node runs in it. */
  static async start(): Promise<WorldClient> {
    const directory = mkdtempSync(join(tmpdir(), 'caisson-world-'));
    const roots = join(directory, 'roots.pem');
    writeFileSync(roots, '');
    const child = fork(
      fileURLToPath(new URL('world-process.ts', import.meta.url)),
      [join(directory, 'state')],
      {
        execPath: 'unshare',
        execArgv: ['--net', process.execPath],
        // The world's own authority is made in it; the proxy process reads this file when it starts.
        env: { ...process.env, SSL_CERT_FILE: roots },
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      },
    );
    const pem = await new Promise<string>((resolve, reject) => {
      child.once('message', (message: { roots: string }) => resolve(message.roots));
      child.once('exit', (code) => reject(new Error(`the world did not start: ${code}`)));
    });
    writeFileSync(roots, pem);
    return new WorldClient(child, directory);
  }

  async run(
    argv: readonly string[],
    policy: PolicyInput,
    secrets?: Readonly<Record<string, string>>,
    how: NonNullable<WorldRequest['how']> = 'run',
  ): Promise<WorldRun> {
    const request = { argv, policy, how, ...(secrets === undefined ? {} : { secrets }) };
    const { run } = await this.#ask(request);
    return run as WorldRun;
  }

  /** With somebody who answers the guest's questions. */
  async runAnswered(
    argv: readonly string[],
    policy: PolicyInput,
    answer: NonNullable<WorldRequest['answer']>,
  ): Promise<WorldRun & Required<Pick<WorldReply, 'asked'>>> {
    const { run, asked = [] } = await this.#ask({ argv, policy, answer });
    return { ...(run as WorldRun), asked };
  }

  /** Two commands in one sandbox, the second after its destinations were changed. */
  async runUpdated(
    argv: readonly string[],
    policy: PolicyInput,
    then: NonNullable<WorldRequest['then']>,
  ): Promise<WorldRun> {
    const { run } = await this.#ask({ argv, policy, how: 'exec', then });
    return run as WorldRun;
  }

  /** A command that stands in the world itself, and not in a sandbox. */
  async onHost(host: HostCommand): Promise<HostRun> {
    const { hostRun } = await this.#ask({ policy: 'strict', host });
    return hostRun as HostRun;
  }

  get state(): string {
    return join(this.#directory, 'state');
  }

  /** Children of the world's process whose command line names this. */
  processes(name: string): number[] {
    const task = `/proc/${this.#child.pid}/task/${this.#child.pid}/children`;
    return readFileSync(task, 'utf8')
      .trim()
      .split(' ')
      .map(Number)
      .filter((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(name);
        } catch {
          return false; // it went meanwhile
        }
      });
  }

  async point(name: string, addresses: readonly string[]): Promise<void> {
    await this.#ask({ policy: 'strict', point: [name, addresses] });
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await ended;
    rmSync(this.#directory, { recursive: true });
  }

  #ask(request: Omit<WorldRequest, 'number'>): Promise<WorldReply> {
    const number = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#child.send({ ...request, number });
    });
  }
}
