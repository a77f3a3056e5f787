import { FileSystem } from '../../wasi/file-system.ts';
import { environmentStrings, guestStrings, preopenPath } from '../../wasi/guest-strings.ts';
import { wasiLimits } from '../../wasi/limits.ts';
import {
  InputStream as StandardInput,
  OutputStream as StandardOutput,
} from '../../wasi/streams.ts';
import type { WasiHostOptions } from '../../wasi/wasi-host.ts';
import { clockInterfaces, randomInterfaces } from './clocks-and-random.ts';
import { Descriptor } from './descriptor.ts';
import { DirectoryEntryStream } from './directory-entry-stream.ts';
import { HostState } from './host-state.ts';
import { Pollable, poll } from './poll.ts';
import { Refused, withFaults } from './refused.ts';
import { InputStream, IoError, OutputStream } from './streams.ts';

/** Functions and resources by the name of their interface, without its version, as jco's glue asks for them. */
export type Interfaces = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** Unwinds the guest: it ended itself by wasi:cli/exit. An Error, since glue takes others for declared ones. */
export class ComponentExit extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`exit code ${code}`);
    this.code = code;
  }
}

class TerminalInput {}
class TerminalOutput {}

/**
 * WASI 0.2 for one instance of a component, over the same files, streams, clocks and randomness as preview 1: in
 * memory and by capabilities alone. There are no sockets and no HTTP.
 *
 * @throws CaissonError `REQUEST_INVALID` for strings, paths and trees that cannot be
 */
export function componentHost(options: WasiHostOptions): Interfaces {
  const limits = wasiLimits(options.limits);
  const { clock, random, args = [], env = {}, charge = () => {} } = options;
  guestStrings(args);
  environmentStrings(env);
  const files = new FileSystem(clock, limits, charge);
  const state = new HostState({ files, limits, clock, random, charge });
  return {
    ...commandInterfaces(state, options),
    ...clockInterfaces(state),
    ...randomInterfaces(state),
    ...fileInterfaces(state, options),
    'wasi:io/error': { Error: IoError },
    'wasi:io/poll': { Pollable, poll: (all: readonly Pollable[]) => poll(state, all) },
    'wasi:io/streams': { InputStream, OutputStream },
  };
}

function commandInterfaces(
  state: HostState,
  { args = [], env = {}, stdin, stdout, stderr }: WasiHostOptions,
): Interfaces {
  const input = new StandardInput(stdin);
  const inputOf = () => new InputStream(state, (most) => withFaults(() => input.read(most)));
  const outputTo = (stream: StandardOutput) => () =>
    new OutputStream(state, (bytes) => {
      if (withFaults(() => stream.write(bytes)) < bytes.length)
        throw new Refused({ tag: 'closed' });
    });
  const none = (): undefined => undefined;
  return {
    'wasi:cli/environment': {
      getArguments: () => [...args],
      getEnvironment: () => Object.entries(env),
      initialCwd: none,
    },
    'wasi:cli/exit': {
      exit: ({ tag }: { readonly tag: 'ok' | 'err' }) => {
        throw new ComponentExit(tag === 'ok' ? 0 : 1);
      },
      exitWithCode: (code: number) => {
        throw new ComponentExit(code);
      },
    },
    'wasi:cli/stdin': { getStdin: inputOf },
    'wasi:cli/stdout': { getStdout: outputTo(new StandardOutput(stdout)) },
    'wasi:cli/stderr': { getStderr: outputTo(new StandardOutput(stderr)) },
    'wasi:cli/terminal-input': { TerminalInput },
    'wasi:cli/terminal-output': { TerminalOutput },
    'wasi:cli/terminal-stdin': { getTerminalStdin: none },
    'wasi:cli/terminal-stdout': { getTerminalStdout: none },
    'wasi:cli/terminal-stderr': { getTerminalStderr: none },
  };
}

function fileInterfaces(
  state: HostState,
  { preopens = [] }: Pick<WasiHostOptions, 'preopens'>,
): Interfaces {
  const roots = preopens.map(({ path, directory, access }) => {
    preopenPath(path, state.limits);
    const node = state.files.load(directory);
    return { path, node, mutateDirectory: node.writable && access !== 'read' };
  });
  return {
    'wasi:filesystem/preopens': {
      getDirectories: () =>
        roots.map(({ path, node, mutateDirectory }) => [
          new Descriptor(state, node, { read: true, mutateDirectory }),
          path,
        ]),
    },
    'wasi:filesystem/types': {
      Descriptor,
      DirectoryEntryStream,
      filesystemErrorCode: (error: IoError) => error.code,
    },
  };
}
