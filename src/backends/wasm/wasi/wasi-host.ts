import { CaissonError } from '../../../core/error.ts';
import type { WasmImports, WasmInstance, WasmMemory } from '../engine.ts';
import { descriptorCalls } from './calls/descriptor-calls.ts';
import { directoryCalls } from './calls/directory-calls.ts';
import { pathCalls } from './calls/path-calls.ts';
import { pollCalls } from './calls/poll-calls.ts';
import { processCalls } from './calls/process-calls.ts';
import { socketCalls } from './calls/socket-calls.ts';
import { transferCalls } from './calls/transfer-calls.ts';
import { listChanges, type WasiChange } from './changes.ts';
import type { WasiClock } from './clock.ts';
import { type Descriptor, DescriptorTable } from './descriptors.ts';
import { errno, failed } from './errno.ts';
import { GuestUnwinding, type WasiExit } from './exit.ts';
import { FileSystem } from './file-system.ts';
import { GuestMemory } from './guest-memory.ts';
import type { GuestState } from './guest-state.ts';
import { environmentStrings, guestStrings, preopenPath } from './guest-strings.ts';
import { HostFault } from './host-fault.ts';
import { type WasiLimits, wasiLimits } from './limits.ts';
import type { DirectoryNode } from './nodes.ts';
import type { RandomSource } from './random-source.ts';
import { INPUT_RIGHTS, OUTPUT_RIGHTS, PREOPEN_RIGHTS } from './rights.ts';
import {
  asUnsigned,
  WASI_MODULE,
  type WasiCalls,
  type WasiFunction,
  wasiSignatures,
} from './signatures.ts';
import { type InputSource, InputStream, type OutputOptions, OutputStream } from './streams.ts';
import type { WasiDirectory } from './tree.ts';

/** A directory that the guest finds open when it starts. */
export interface WasiPreopen {
  /** What the guest calls it, such as `/` or `/data`. */
  readonly path: string;
  readonly directory: WasiDirectory;
  /**
   * `read`: nothing is changed through it (EROFS), whatever the tree allows; default `write`. What the tree says is
   * read-only is so through every preopen.
   */
  readonly access?: 'read' | 'write';
}

export interface WasiHostOptions {
  /** The program's name first; default none. */
  readonly args?: readonly string[];
  /** Default none; nothing is taken from the host's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default none: the guest sees no file. */
  readonly preopens?: readonly WasiPreopen[];
  /** Default at its end from the start. */
  readonly stdin?: Uint8Array | InputSource;
  /** Default: taken and dropped. */
  readonly stdout?: OutputOptions;
  readonly stderr?: OutputOptions;
  readonly clock: WasiClock;
  readonly random: RandomSource;
  readonly limits?: Partial<WasiLimits>;
  /**
   * Told before work that grows with what the guest asks for, in bytes to move and entries to visit, so that it can
   * be charged as fuel. What it throws ends the guest and comes out of `start`.
   */
  readonly charge?: (units: number) => void;
}

/** How the guest's code was left: by returning, or by an end of its own. */
export type WasiReturn<T> = { readonly kind: 'returned'; readonly value: T } | WasiExit;

/**
 * WASI preview 1 for one instance of a module, in memory and by capabilities alone: a guest reaches what was handed
 * in here and nothing else. Single-threaded; calls block.
 *
 * A command is run with `start`, a reactor with `initialize` and then its exports within `run`.
 *
 * @example
 * const host = new WasiHost({ args: ['wc', 'a.txt'], clock: systemClock(), random: systemRandom, preopens: [...] });
 * const instance = new engine.Instance(module, host.imports);
 * const exit = host.start(instance);   // { kind: 'exited', code: 0 }
 */
export class WasiHost {
  /** For the instance: `{ wasi_snapshot_preview1: { fd_write, … } }`. */
  readonly imports: WasmImports;
  readonly stdout: Pick<OutputStream, 'written' | 'discarded'>;
  readonly stderr: Pick<OutputStream, 'written' | 'discarded'>;
  /** What sources, sinks and lazy files threw, at most 16; the guest saw EIO. */
  readonly faults: unknown[] = [];
  readonly #memory = new GuestMemory();
  readonly #preopens: { path: string; node: DirectoryNode }[] = [];
  #began = false;
  /** Whether a call began and did not end in order. */
  #inCall = false;
  /** Set when the guest is to go no further: every later call throws it again, whatever the guest catches. */
  #ended: { readonly thrown: unknown } | undefined;

  /** @throws CaissonError `REQUEST_INVALID` for strings, paths, trees and limits that cannot be */
  constructor(options: WasiHostOptions) {
    const limits = wasiLimits(options.limits);
    const charge = options.charge ?? (() => {});
    const files = new FileSystem(options.clock, limits, charge);
    const descriptors = new DescriptorTable(limits.descriptors, files);
    const stdout = new OutputStream(options.stdout);
    const stderr = new OutputStream(options.stderr);
    const open = (descriptor: Descriptor) => {
      if (failed(descriptors.add(descriptor))) invalid('more preopens than descriptors');
    };
    const common = { flags: 0, readOnly: false };
    const input = { base: INPUT_RIGHTS, inheriting: 0, ...common };
    const output = { base: OUTPUT_RIGHTS, inheriting: 0, ...common };
    open({ kind: 'stream', stream: new InputStream(options.stdin), ...input });
    open({ kind: 'stream', stream: stdout, ...output });
    open({ kind: 'stream', stream: stderr, ...output });
    for (const { path, directory, access } of options.preopens ?? []) {
      const preopen = preopenPath(path, limits);
      const node = files.load(directory);
      const readOnly = access === 'read';
      open({ kind: 'directory', node, preopen, flags: 0, readOnly, ...PREOPEN_RIGHTS });
      this.#preopens.push({ path, node });
    }
    this.stdout = stdout;
    this.stderr = stderr;
    this.imports = this.#bind({
      memory: this.#memory,
      limits,
      files,
      descriptors,
      clock: options.clock,
      random: options.random,
      args: guestStrings(options.args ?? []),
      env: environmentStrings(options.env ?? {}),
      charge,
    });
  }

  /**
   * Runs a command: calls `_start` once.
   *
   * @throws CaissonError `REQUEST_INVALID` for a module that is no command, and for a second start; a trap as the
   * engine's RuntimeError; what `charge` threw
   */
  start(instance: WasmInstance): WasiExit {
    const { _start: main, _initialize } = instance.exports;
    if (typeof main !== 'function' || _initialize !== undefined) {
      invalid('a command exports _start and no _initialize');
    }
    this.#begin(instance);
    const result = this.run(() => main() as unknown);
    return result.kind === 'returned' ? { kind: 'exited', code: 0 } : result;
  }

  /**
   * Makes a reactor ready: calls `_initialize` where there is one. Afterwards its exports are to be called within
   * {@link run}.
   *
   * @throws as {@link start}
   */
  initialize(instance: WasmInstance): WasiReturn<undefined> {
    const { _start, _initialize: prepare } = instance.exports;
    if (_start !== undefined) invalid('a reactor exports no _start');
    if (prepare !== undefined && typeof prepare !== 'function') {
      invalid('_initialize is no function');
    }
    this.#begin(instance);
    return this.run(() => {
      prepare?.();
      return undefined;
    });
  }

  /** Calls into the guest, which may end itself on the way. Throws what the guest's code or `charge` throws. */
  run<T>(work: () => T): WasiReturn<T> {
    let value: T;
    try {
      value = work();
    } catch (thrown) {
      // A guest may catch what unwinds it and trap or throw in its place; its end stays what it was.
      const cause = this.#ended?.thrown ?? thrown;
      if (cause instanceof GuestUnwinding) return cause.exit;
      throw cause;
    }
    if (this.#ended === undefined) return { kind: 'returned', value };
    if (this.#ended.thrown instanceof GuestUnwinding) return this.#ended.thrown.exit;
    throw this.#ended.thrown;
  }

  /** What the guest left otherwise than it was handed in. */
  changes(): WasiChange[] {
    return listChanges(this.#preopens);
  }

  #begin(instance: WasmInstance): void {
    if (this.#began) invalid('a WASI host serves one instance');
    const memory = instance.exports.memory as Partial<WasmMemory> | undefined;
    if (!(memory?.buffer instanceof ArrayBuffer)) {
      invalid('the module exports no memory of its own by the name memory');
    }
    this.#began = true;
    this.#memory.attach(memory as WasmMemory);
  }

  #bind(state: GuestState): WasmImports {
    const calls: WasiCalls = {
      ...processCalls(state),
      ...descriptorCalls(state),
      ...transferCalls(state),
      ...directoryCalls(state),
      ...pathCalls(state),
      ...pollCalls(state),
      ...socketCalls(state),
    };
    const bound: Record<string, (...args: unknown[]) => number> = {};
    for (const name of Object.keys(wasiSignatures) as WasiFunction[]) {
      bound[name] = this.#guard(
        wasiSignatures[name],
        calls[name] as (...args: unknown[]) => number,
      );
    }
    return { [WASI_MODULE]: bound };
  }

  /**
   * Between the guest and a call. What a caller's own function threw is EIO to the guest. Anything else that is
   * thrown ends the guest: the host's stack may have run out, which a guest can bring about at any point it likes,
   * and what the call had begun is half done.
   */
  #guard(
    types: readonly ('i32' | 'i64')[],
    call: (...args: unknown[]) => number,
  ): (...args: unknown[]) => number {
    return (...args) => {
      if (this.#ended !== undefined) throw this.#ended.thrown;
      if (this.#inCall) throw this.#end(new RangeError('a call of the guest was torn off'));
      this.#inCall = true;
      this.#memory.refresh();
      for (let index = 0; index < types.length; index++) {
        args[index] = asUnsigned(types[index] ?? 'i32', args[index]);
      }
      try {
        const answer = call(...args);
        this.#inCall = false;
        return answer;
      } catch (thrown) {
        if (!(thrown instanceof HostFault)) throw this.#end(thrown);
        if (this.faults.length < 16) this.faults.push(thrown.cause);
        this.#inCall = false;
        return errno.io;
      }
    };
  }

  #end(thrown: unknown): unknown {
    this.#ended ??= { thrown };
    return this.#ended.thrown;
  }
}

function invalid(message: string): never {
  throw new CaissonError('REQUEST_INVALID', { layer: 'backends', message });
}
