/**
 * The escape class: the calls by which one leaves a sandbox or gets a hold on the kernel. Where a policy refuses one, the
 * refusal is recorded; `ends` says whether it also ends the run on the levels that do not go on after an attempt.
 *
 * Nothing that ordinary programs, runtimes and their libraries try of their own accord, going on without it, ends a
 * run: what has no such use does. A row here changes nothing about what is allowed.
 */
import type { Condition } from '../action.ts';
import { asksForNamespace, unsharesNamespace } from '../checks.ts';

export interface Escape {
  readonly ends: boolean;
  /** Why it ends a run, or who tries it without harm in mind. */
  readonly reason: string;
  /** Only a call whose arguments fulfil all of these is an attempt; absent: every call. */
  readonly when?: readonly Condition[];
  /** A call with this first argument is recorded, and ends no run. */
  readonly spared?: number;
}

/** linux/ptrace.h */
const PTRACE_ATTACH = 16;

const mounts: Escape = { ends: true, reason: 'only who builds or breaks a sandbox changes mounts' };
const namespace = 'a namespace of its own is how kernel code is reached';
const modules: Escape = { ends: true, reason: 'no program of a guest loads code into the kernel' };
const machine: Escape = { ends: true, reason: 'changes the whole host; no guest has a use for it' };
const keyrings: Escape = {
  ends: false,
  reason: 'Kerberos clients and secret stores look for a keyring, and go on without',
};
const memoryOfOthers: Escape = {
  ends: false,
  reason: 'MPI and crash reporters try it, and copy in another way when it is refused',
};
const clocks: Escape = {
  ends: false,
  reason: 'the same call reads how well the clock is kept (ntp_gettime)',
};

export const escapes: Readonly<Record<string, Escape>> = {
  mount: mounts,
  umount2: mounts,
  pivot_root: mounts,
  move_mount: mounts,
  open_tree: mounts,
  open_tree_attr: mounts,
  fsopen: mounts,
  fsconfig: mounts,
  fsmount: mounts,
  fspick: mounts,
  mount_setattr: mounts,
  // Programs unshare their working directory or descriptors among threads, too.
  unshare: { ends: true, reason: namespace, when: unsharesNamespace },
  clone: { ends: true, reason: namespace, when: asksForNamespace },
  setns: { ends: true, reason: 'enters a namespace that is not its own' },
  ptrace: {
    ends: true,
    reason:
      'takes hold of another process, and a debugger must be asked for; but every program with a leak sanitizer attaches to itself at its end',
    spared: PTRACE_ATTACH,
  },
  process_vm_readv: memoryOfOthers,
  process_vm_writev: memoryOfOthers,
  pidfd_getfd: { ends: false, reason: 'checkpointing and sandboxing tools ask whether it works' },
  bpf: { ends: true, reason: 'puts programs into the kernel' },
  perf_event_open: {
    ends: false,
    reason: 'benchmark libraries and profilers ask for hardware counters, and go on without',
  },
  userfaultfd: {
    ends: false,
    reason: 'runtimes with a garbage collector of their own ask whether it works',
  },
  init_module: modules,
  finit_module: modules,
  delete_module: modules,
  kexec_load: machine,
  kexec_file_load: machine,
  reboot: machine,
  swapon: machine,
  swapoff: machine,
  acct: machine,
  quotactl: { ends: false, reason: 'file managers and quota tools ask how much is left' },
  quotactl_fd: { ends: false, reason: 'file managers and quota tools ask how much is left' },
  open_by_handle_at: { ends: true, reason: 'opens files past the mounts (CVE-2014-9357)' },
  add_key: keyrings,
  request_key: keyrings,
  keyctl: keyrings,
  iopl: machine,
  ioperm: machine,
  settimeofday: machine,
  clock_settime: machine,
  adjtimex: clocks,
  clock_adjtime: clocks,
};
