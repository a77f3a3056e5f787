/** The test's side of a host that forwards, and of what lies beyond it: asked over IPC, since both are elsewhere. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NetworkUsage, Violation } from '../../../src/core/outcome.ts';
import type { Compiled } from '../../../src/plan/plan.ts';
import type { PolicyInput } from '../../../src/sandbox/policy-book.ts';

/** The host's own address, and the next hop. */
export const OWN = '192.0.2.1';
export const GATEWAY = '192.0.2.10';
/** Beyond the next hop. */
export const ADDRESSES = ['198.51.100.20', '198.51.100.21', '203.0.113.7'] as const;
/** Beyond it, too, and named by no rule of any test. */
export const UNREACHED = '203.0.113.99';

export interface Arrived {
  /** Echo requests (ICMP), as the kernel there counted them. */
  readonly echoes: number;
  /** Packets of protocols that nobody has there. */
  readonly unknown: number;
  /** All packets. */
  readonly received: number;
  /** `tcp 198.51.100.20 from 192.0.2.1` */
  readonly seen: readonly string[];
}

export interface Left {
  readonly links: readonly string[];
  readonly tables: readonly string[];
  readonly routes: readonly string[];
  readonly forwarding: string;
}

export interface HostRequest {
  readonly number: number;
  readonly argv?: readonly string[];
  readonly policy?: PolicyInput;
  readonly accept?: readonly string[];
  /** A command on the host, before anything else. */
  readonly host?: readonly string[];
  readonly explain?: PolicyInput;
  /** Opens a sandbox that is kept until `close`. */
  readonly open?: PolicyInput;
  /** With `open`: without the packet filter inside. */
  readonly unguarded?: true;
  /** In that one. */
  readonly inside?: readonly string[];
  readonly close?: true;
  /** In that one: a server, and the port inside that is then asked from the host. */
  readonly publish?: { readonly port: number; readonly server: readonly string[] };
  /** Closes the Caisson, with the sandboxes that it keeps ready, and opens another. */
  readonly end?: true;
}

export interface HostReply {
  readonly run?: {
    readonly code: number | undefined;
    readonly stdout: string;
    readonly stderr: string;
    readonly violations: readonly Violation[];
    readonly network: NetworkUsage | undefined;
  };
  readonly arrived?: Arrived;
  /** Datagrams that came to the host's own loopback, since the beginning. */
  readonly strays?: number;
  readonly left?: Left;
  readonly launcher?: readonly number[];
  readonly stdout?: string;
  readonly compiled?: Pick<Compiled, 'enforced' | 'unenforceable' | 'notes'>;
  readonly error?: string;
  readonly code?: string;
}

export class PacketsClient {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #waiting = new Map<number, (reply: HostReply) => void>();
  #last = 0;

  private constructor(child: ChildProcess, directory: string) {
    this.#child = child;
    this.#directory = directory;
    child.on('message', (reply: HostReply & { number: number }) => {
      this.#waiting.get(reply.number)?.(reply);
      this.#waiting.delete(reply.number);
    });
    child.once('exit', (code) => {
      for (const settle of this.#waiting.values()) settle({ error: `the host ended: ${code}` });
    });
  }

  /** Needs root. */
  static async start(): Promise<PacketsClient> {
    const directory = mkdtempSync(join(tmpdir(), 'caisson-packets-'));
    const child = fork(
      fileURLToPath(new URL('packets-process.ts', import.meta.url)),
      [join(directory, 'state')],
      {
        execPath: 'unshare',
        execArgv: ['--net', process.execPath],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      },
    );
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', (code) => reject(new Error(`the host did not start: ${code}`)));
    });
    return new PacketsClient(child, directory);
  }

  /** @throws what it answered in the place of a reply */
  async ask(request: Omit<HostRequest, 'number'>): Promise<HostReply> {
    const reply = await this.tryAsk(request);
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply;
  }

  tryAsk(request: Omit<HostRequest, 'number'>): Promise<HostReply> {
    const number = ++this.#last;
    return new Promise((resolve) => {
      this.#waiting.set(number, resolve);
      this.#child.send({ ...request, number });
    });
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await ended;
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
