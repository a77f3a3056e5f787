/** The client of programs/timer.c: commands timed without Node's own cost of spawning. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Timed {
  readonly ms: number;
  /** Exit code; 128 + n for signal n. */
  readonly code: number;
  readonly output: string;
}

export class Timer implements AsyncDisposable {
  readonly #child: ChildProcess;
  #pending = Buffer.alloc(0);
  #answered: (() => void) | undefined;

  /**
   * @param wrapper argv put in front of the timer: a place (a mount namespace, say) where it and its commands live.
   * @param seccomp file that every command finds open, at its beginning, as descriptor 3.
   */
  constructor(program: string, seccomp?: string, wrapper: readonly string[] = []) {
    const argv = [...wrapper, program, ...(seccomp === undefined ? [] : [seccomp])];
    this.#child = spawn(argv[0] as string, argv.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout?.on('data', (bytes: Buffer) => {
      this.#pending = Buffer.concat([this.#pending, bytes]);
      this.#answered?.();
    });
    this.#child.on('exit', () => this.#answered?.());
  }

  async run(
    argv: readonly string[],
    environment: readonly string[],
    directory: string,
  ): Promise<Timed> {
    const strings = Buffer.from([directory, ...argv, ...environment].map((s) => `${s}\0`).join(''));
    const head = Buffer.alloc(12);
    head.writeUInt32LE(argv.length, 0);
    head.writeUInt32LE(environment.length, 4);
    head.writeUInt32LE(strings.length, 8);
    this.#child.stdin?.write(Buffer.concat([head, strings]));
    const answer = await this.#take(16);
    const status = answer.readInt32LE(8);
    const output = await this.#take(answer.readUInt32LE(12));
    return {
      ms: Number(answer.readBigUInt64LE(0)) / 1e6,
      code: (status & 0x7f) === 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f),
      output: output.toString(),
    };
  }

  async #take(length: number): Promise<Buffer> {
    while (this.#pending.length < length) {
      if (this.#child.exitCode !== null)
        throw new Error(`timer ended with ${this.#child.exitCode}`);
      await new Promise<void>((resolve) => {
        this.#answered = resolve;
      });
    }
    const taken = this.#pending.subarray(0, length);
    this.#pending = this.#pending.subarray(length);
    return taken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.stdin?.end();
    await once(this.#child, 'exit');
  }
}
