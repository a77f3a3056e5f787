/**
 * The named peers from Debian, each set up to do what Caisson's strict level does, as far as it can: every namespace
 * it offers, read-only root, private /tmp and /proc, a seccomp filter, no capabilities. They are timed by
 * programs/timer.c, so that they do not pay for Node's spawn.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Absent, type Contestant, proofArguments, type Turn } from './contestant.ts';
import { OciBundle, removeCgroups } from './oci-bundle.ts';
import { assertIsolated, type NamespaceName } from './proof.ts';
import { Timer } from './timer.ts';

export interface PeerSetup {
  /** An empty directory of ours. */
  readonly directory: string;
  /** The directory that holds the static program, its name there, and the timer. */
  readonly programDirectory: string;
  readonly program: string;
  readonly timer: string;
  /** File with a compiled filter, for who takes one. */
  readonly seccomp: string;
  /** The peers that take tens of milliseconds run in every n-th round. */
  readonly slowEvery: number;
}

export interface Peers extends AsyncDisposable {
  readonly contestants: readonly Contestant[];
  readonly absent: readonly Absent[];
}

interface Peer {
  readonly name: string;
  readonly program: string;
  readonly debianPackage: string;
  readonly slow: boolean;
  /** Where it runs, when it needs a place of its own. */
  readonly wrapper?: readonly string[];
  readonly argv: (path: string, turn: Turn) => string[];
  /** What a proof turn must show; absent for a kernel of its own, whose numbers say nothing about this one. */
  readonly namespaces?: readonly NamespaceName[];
}

/** This crun refuses the hybrid hierarchy: it gets a mount namespace in which there is none. */
const WITHOUT_UNIFIED = [
  ...['unshare', '--mount', '--propagation', 'private', 'sh', '-c'],
  '! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified; exec "$@"',
  'sh',
];

function peersOf(setup: PeerSetup): Peer[] {
  const bundle = new OciBundle(
    join(setup.directory, 'bundle'),
    join(setup.programDirectory, setup.program),
  );
  let runs = 0;
  const oci = (name: string, flags: string[], ownUsers: boolean) => (path: string, turn: Turn) => {
    const id = `${name}-${process.pid}-${++runs}`;
    const state = ['--root', join(setup.directory, `state-${name}`)];
    return [path, ...state, ...flags, 'run', '--bundle', bundle.write(id, turn, ownUsers), id];
  };
  const everything: NamespaceName[] = ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'];
  return [
    {
      name: 'bubblewrap',
      program: 'bwrap',
      debianPackage: 'bubblewrap',
      slow: false,
      namespaces: everything,
      argv: (path, turn) => [path, ...bubblewrapArguments(setup, turn)],
    },
    {
      name: 'runc',
      program: 'runc',
      debianPackage: 'runc',
      slow: true,
      namespaces: everything,
      argv: oci('runc', [], true),
    },
    {
      name: 'crun',
      program: 'crun',
      debianPackage: 'crun',
      slow: true,
      wrapper: WITHOUT_UNIFIED,
      namespaces: everything,
      argv: oci('crun', [], true),
    },
    {
      name: 'firejail',
      program: 'firejail',
      debianPackage: 'firejail',
      slow: true,
      namespaces: ['mnt', 'pid', 'net', 'ipc'],
      argv: (path, turn) => [
        ...[path, '--quiet', '--noprofile', '--net=none', '--seccomp', '--caps.drop=all'],
        ...['--nonewprivs', '--ipc-namespace', '--private-tmp', '--private-dev', '--read-only=/'],
        ...['--read-write='.concat(turn.workspace), join(setup.programDirectory, setup.program)],
        ...proofArguments(turn, '/tmp'),
      ],
    },
    {
      name: 'runsc (gVisor, ptrace)',
      program: 'runsc',
      debianPackage: 'runsc',
      slow: true,
      argv: oci('runsc', ['--platform=ptrace', '--network=none'], false),
    },
  ];
}

export function bubblewrapArguments(setup: PeerSetup, turn: Turn): string[] {
  const links = ['bin', 'sbin', 'lib', 'lib64'].flatMap((n) => ['--symlink', `usr/${n}`, `/${n}`]);
  return [
    ...['--unshare-all', '--unshare-user', '--new-session', '--die-with-parent'],
    ...['--uid', '1000', '--gid', '1000', '--hostname', 'bench', '--cap-drop', 'ALL'],
    ...['--ro-bind', '/usr', '/usr', ...links, '--ro-bind', '/etc', '/etc'],
    ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp'],
    ...['--ro-bind', setup.programDirectory, '/programs', '--bind', turn.workspace, '/work'],
    ...['--chdir', '/work', '--seccomp', '3', '--', `/programs/${setup.program}`],
    ...proofArguments(turn, '/tmp'),
  ];
}

/** Opens what is there, installing by apt as root; the rest is named with the command that would. */
export async function openPeers(setup: PeerSetup): Promise<Peers> {
  const contestants: Contestant[] = [];
  const absent: Absent[] = [];
  const timers: Timer[] = [];
  for (const peer of peersOf(setup)) {
    const path = find(peer.program) ?? install(peer);
    if (path === undefined) {
      absent.push({ name: peer.name, reason: `absent; apt-get install ${peer.debianPackage}` });
      continue;
    }
    const timer = new Timer(setup.timer, setup.seccomp, peer.wrapper);
    timers.push(timer);
    const contestant = timedContestant(peer.name, timer, (turn) => peer.argv(path, turn), {
      every: peer.slow ? setup.slowEvery : 1,
      ...(peer.namespaces === undefined ? {} : { namespaces: peer.namespaces }),
    });
    const refusal = await tryOnce(contestant, setup.directory);
    if (refusal === undefined) contestants.push(contestant);
    else absent.push({ name: peer.name, reason: `does not run here: ${refusal}` });
  }
  return {
    contestants,
    absent,
    async [Symbol.asyncDispose]() {
      for (const timer of timers) await timer[Symbol.asyncDispose]();
      removeCgroups();
    },
  };
}

/** A command timed natively; its proof turns are checked for the namespaces named. */
export function timedContestant(
  name: string,
  timer: Timer,
  argv: (turn: Turn) => string[],
  options: { readonly every: number; readonly namespaces?: readonly NamespaceName[] },
): Contestant {
  const { every, namespaces } = options;
  return {
    name,
    every,
    async run(turn) {
      const { ms, code, output } = await timer.run(argv(turn), [`RUN=${turn.tag}`], turn.workspace);
      if (code !== 0) throw new Error(`${name} ended with ${code}: ${output}`);
      return { ms, stdout: output };
    },
    verify(stdout) {
      if (namespaces !== undefined) assertIsolated(name, stdout, namespaces);
    },
  };
}

/** Why a first, unmeasured run with proof fails, or undefined. */
async function tryOnce(contestant: Contestant, workspace: string): Promise<string | undefined> {
  const turn: Turn = { round: 0, workspace, tag: 'first', proof: true };
  try {
    const { stdout } = await contestant.run(turn);
    contestant.verify?.(stdout, turn);
    return undefined;
  } catch (error) {
    return (error as Error).message.trim().replaceAll('\n', '; ').slice(0, 300);
  }
}

function find(program: string): string | undefined {
  const directories = ['/usr/bin', '/usr/sbin', '/usr/local/bin'];
  return directories.map((directory) => join(directory, program)).find((path) => existsSync(path));
}

function install(peer: Peer): string | undefined {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return undefined;
  process.stderr.write(`installing ${peer.debianPackage}\n`);
  const flags = ['-o', 'DPkg::Lock::Timeout=300', 'install', '-y', '--no-install-recommends'];
  try {
    execFileSync('apt-get', [...flags, peer.debianPackage], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return find(peer.program);
}
