/** Bundles for runc, crun and runsc: one root file system, a configuration of its own for each turn. */
import { chmodSync, cpSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { proofArguments, type Turn } from './contestant.ts';

const CGROUP_ROOT = '/sys/fs/cgroup';
const CGROUP = 'caisson-bench';
const DENIED =
  `mount umount2 pivot_root bpf keyctl add_key request_key ptrace userfaultfd perf_event_open
  kexec_load init_module finit_module open_by_handle_at`.split(/\s+/);

export class OciBundle {
  readonly #directory: string;
  readonly #root: string;

  constructor(directory: string, program: string) {
    this.#directory = directory;
    this.#root = join(directory, 'root');
    for (const name of ['proc', 'dev', 'tmp', 'sys', 'work'])
      mkdirSync(join(this.#root, name), { recursive: true });
    // runc gives a tmpfs the mode of the directory that it covers.
    chmodSync(join(this.#root, 'tmp'), 0o1777);
    cpSync(program, join(this.#root, 'true'));
  }

  /** Returns the bundle's directory. `ownUsers`: with a user namespace, which gVisor wants to make itself. */
  write(id: string, turn: Turn, ownUsers: boolean): string {
    const map = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    const kinds = [
      'pid',
      'mount',
      'network',
      'ipc',
      'uts',
      'cgroup',
      ...(ownUsers ? ['user'] : []),
    ];
    const configuration = {
      ociVersion: '1.0.2',
      process: {
        user: { uid: 1000, gid: 1000 },
        args: ['/true', ...proofArguments(turn, '/tmp')],
        env: [`RUN=${turn.tag}`],
        cwd: '/work',
        capabilities: { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] },
        rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 }],
        noNewPrivileges: true,
      },
      root: { path: this.#root, readonly: true },
      hostname: 'bench',
      mounts: [
        { destination: '/proc', type: 'proc', source: 'proc' },
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
        { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=1777'] },
        { destination: '/work', type: 'bind', source: turn.workspace, options: ['bind', 'nosuid'] },
      ],
      linux: {
        ...(ownUsers ? { uidMappings: map, gidMappings: map } : {}),
        cgroupsPath: `/${CGROUP}/${id}`,
        resources: { memory: { limit: 268_435_456 }, pids: { limit: 256 } },
        namespaces: kinds.map((type) => ({ type })),
        seccomp: {
          defaultAction: 'SCMP_ACT_ALLOW',
          architectures: ['SCMP_ARCH_X86_64'],
          syscalls: [{ names: DENIED, action: 'SCMP_ACT_ERRNO' }],
        },
      },
    };
    writeFileSync(join(this.#directory, 'config.json'), JSON.stringify(configuration));
    return this.#directory;
  }
}

/** Runtimes leave the parent of their groups behind: ours, in every hierarchy. */
export function removeCgroups(): void {
  const hierarchies = readdirSync(CGROUP_ROOT, { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  for (const parent of [CGROUP_ROOT, ...hierarchies.map(({ name }) => join(CGROUP_ROOT, name))])
    removeTree(join(parent, CGROUP));
}

function removeTree(directory: string): void {
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true }))
      if (entry.isDirectory()) removeTree(join(directory, entry.name));
    rmdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
