/** Shells that stay. */
import type { FastifyInstance } from 'fastify';
import { outputToWire } from '../../api/outcome.ts';
import { closeShell, listShells, openShell, runInShell } from '../../api/shells.ts';
import { CaissonError } from '../../core/error.ts';
import { newId } from '../../core/ids.ts';
import { Turns } from '../../core/turns.ts';
import type { ManagedSandbox } from '../../sandbox/manager/managed-sandbox.ts';
import type { Shell } from '../../sandbox/shell.ts';
import { implement } from '../http/implement.ts';
import { outputBytesOf } from '../output-room.ts';
import type { Service } from '../service.ts';

interface Kept {
  readonly id: string;
  readonly createdMs: number;
  readonly shell: Shell;
  /** Commands that wait for their turn, or run. */
  commands: number;
  /** Of the output of each, kept until it is answered. */
  readonly bytes: number;
}

/** Of each stream, where nothing is said: `ShellOptions.outputBytes`. */
const SHELL_OUTPUT = 16 * 2 ** 20;
const MOST_SHELLS = 16;
const MOST_COMMANDS = 64;

export function serveShells(app: FastifyInstance, { sandboxes, output }: Service): void {
  const turns = new Turns();
  // They end with their sandbox.
  const shells = new WeakMap<ManagedSandbox, Map<string, Kept>>();
  const of = (sandbox: ManagedSandbox): Map<string, Kept> => {
    const found = shells.get(sandbox) ?? new Map<string, Kept>();
    shells.set(sandbox, found);
    return found;
  };
  const find = (tenant: string, { id, shell }: { id: string; shell: string }) => {
    const all = of(sandboxes.get(tenant, id));
    const kept = all.get(shell);
    if (kept === undefined) throw noShell(shell);
    return { all, kept };
  };

  implement(app, openShell, ({ params, body = {}, caller }) => {
    const sandbox = sandboxes.get(caller.tenant, params.id);
    const all = of(sandbox);
    if (all.size >= MOST_SHELLS) throw tooMany('shells', MOST_SHELLS);
    const { program, outputBytes } = body;
    const shell = sandbox.shell({
      ...(program === undefined ? {} : { program }),
      ...(outputBytes === undefined ? {} : { outputBytes }),
    });
    const bytes = outputBytesOf(outputBytes ?? SHELL_OUTPUT);
    const kept = { id: newId('shell'), createdMs: Date.now(), shell, commands: 0, bytes };
    all.set(kept.id, kept);
    return { id: kept.id, createdMs: kept.createdMs };
  });

  implement(app, listShells, ({ params, caller }) => ({
    items: [...of(sandboxes.get(caller.tenant, params.id)).values()].map(({ id, createdMs }) => ({
      id,
      createdMs,
    })),
  }));

  implement(app, runInShell, async ({ params, body, caller, signal }) => {
    const { kept } = find(caller.tenant, params);
    const { command, timeoutMs } = body;
    if (kept.commands >= MOST_COMMANDS) throw tooMany('commands of a shell', MOST_COMMANDS);
    kept.commands += 1;
    try {
      const run = () =>
        kept.shell.run(command, { signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
      // A shell runs one at a time: the others of it keep nothing yet.
      const outcome = await turns.take(kept.id, () =>
        output.during(caller.tenant, kept.bytes, signal, run),
      );
      const { stdout, stderr, admission, ...rest } = outcome;
      return {
        ...rest,
        stdout: outputToWire(stdout),
        stderr: outputToWire(stderr),
        ...(admission === undefined ? {} : { admission: admission as never }),
      };
    } finally {
      kept.commands -= 1;
    }
  });

  implement(app, closeShell, async ({ params, caller }) => {
    const { all, kept } = find(caller.tenant, params);
    all.delete(kept.id);
    await kept.shell.close();
    return undefined;
  });
}

function noShell(id: string): CaissonError {
  return new CaissonError('NOT_FOUND', {
    layer: 'server',
    message: `there is no shell ${id}`,
    hint: 'POST …/shells opens one',
  });
}

function tooMany(what: string, limit: number): CaissonError {
  return new CaissonError('QUOTA_EXCEEDED', {
    layer: 'server',
    message: `there are ${limit} ${what} already`,
    hint: 'close some, or wait',
    details: { quota: what, limit, used: limit },
  });
}
