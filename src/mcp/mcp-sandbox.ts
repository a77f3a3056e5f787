/**
 * A sandbox as a session uses it. A manager makes them, so that they are in what `caisson ps`, `top` and `kill` read; where
 * its store cannot be used, Caisson alone does.
 */
import type { Caisson } from '../compose.ts';
import type { SandboxManager } from '../sandbox/manager/sandbox-manager.ts';
import type { PlaceOptions } from '../sandbox/place-options.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';

export type McpSandbox = Pick<
  Sandbox,
  | 'id'
  | 'cwd'
  | 'files'
  | 'network'
  | 'exec'
  | 'changes'
  | 'apply'
  | 'updateNetwork'
  | 'close'
  | 'gone'
> &
  AsyncDisposable;

/** @param name what a person finds it by: that of a kept sandbox, else `call` */
export type MakeSandbox = (place: PlaceOptions, name: string) => Promise<McpSandbox>;

export function unmanaged(caisson: Caisson): MakeSandbox {
  return (place) => caisson.create(place);
}

export function managedBy(manager: SandboxManager): MakeSandbox {
  return async (place, name) => {
    const made = await manager.create({ ...place, labels: { mcp: name } });
    const { sandbox: id = made.id } = manager.inspect(made.id);
    const close = (): Promise<void> => made.close();
    return {
      // Its name in the audit log, not that of the manager.
      id,
      cwd: made.cwd,
      files: made.files,
      get network() {
        return made.network;
      },
      exec: (argv, options) => made.exec(argv, options),
      changes: (options) => made.changes(options),
      apply: (options) => made.apply(options),
      updateNetwork: (network) => made.updateNetwork(network),
      gone: manager.wait(made.id).then(() => {}),
      close,
      [Symbol.asyncDispose]: close,
    };
  };
}
