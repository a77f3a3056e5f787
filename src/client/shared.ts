/**
 * What a Caisson and its sandboxes can do wherever they are. A program that asks for no more than that is written once:
 * `Caisson` and `RemoteCaisson` both are a {@link SharedCaisson}.
 */
import type { Duplex } from 'node:stream';
import type { Caisson } from '../compose.ts';
import type { Result } from '../core/error.ts';
import type { Modules } from '../modules/modules.ts';
import type { Applied, ApplyOptions, Changes } from '../sandbox/changes.ts';
import type { SandboxFiles } from '../sandbox/files.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { Shell } from '../sandbox/shell.ts';
import type { ShellOptions } from '../sandbox/shell-command.ts';

export type SharedFiles = Pick<
  SandboxFiles,
  | 'read'
  | 'readPart'
  | 'readStream'
  | 'readText'
  | 'write'
  | 'writeStream'
  | 'stat'
  | 'exists'
  | 'list'
  | 'page'
  | 'mkdir'
  | 'remove'
  | 'move'
  | 'chmod'
  | 'readLink'
  | 'makeLink'
  | 'watch'
  | 'upload'
  | 'download'
>;

export type SharedShell = Pick<Shell, 'run' | 'close' | typeof Symbol.asyncDispose>;

export interface SharedChanges extends Pick<Changes, 'entries' | 'isEmpty' | 'diff'> {
  apply(options?: ApplyOptions): Promise<Applied>;
}

export interface SharedSnapshot {
  readonly id: string;
  open(): Promise<SharedSandbox>;
  discard(): Promise<void>;
}

export interface SharedSandbox
  extends Pick<
    Sandbox,
    | 'id'
    | 'cwd'
    | 'exec'
    | 'spawn'
    | 'usage'
    | 'freeze'
    | 'thaw'
    | 'network'
    | 'updateNetwork'
    | 'publish'
    | 'apply'
    | 'close'
    | typeof Symbol.asyncDispose
  > {
  readonly files: SharedFiles;
  shell(options?: ShellOptions): SharedShell;
  changes(): Promise<SharedChanges>;
  snapshot(): Promise<SharedSnapshot>;
  fork(): Promise<SharedSandbox>;
  /** Of a process here it is a `net.Socket`. */
  connect(guestPort: number): Promise<Duplex>;
}

export type SharedModules = Pick<
  Modules,
  | 'register'
  | 'safeRegister'
  | 'list'
  | 'inspect'
  | 'execute'
  | 'safeExecute'
  | 'enable'
  | 'disable'
  | 'remove'
  | 'statistics'
  | 'close'
  | typeof Symbol.asyncDispose
>;

export interface SharedCaisson
  extends Pick<
    Caisson,
    | 'run'
    | 'safeRun'
    | 'spawn'
    | 'safeSpawn'
    | 'evaluate'
    | 'safeEvaluate'
    | 'eval'
    | 'safeEval'
    | 'call'
    | 'safeCall'
    | 'sandboxed'
    | 'explain'
    | 'policy'
    | 'close'
    | typeof Symbol.asyncDispose
  > {
  create(options?: Parameters<Caisson['create']>[0]): Promise<SharedSandbox>;
  safeCreate(options?: Parameters<Caisson['create']>[0]): Promise<Result<SharedSandbox>>;
  modules(): Promise<SharedModules>;
}
