/**
 * Which registers of a recorded call hold a value of their own, by its name in the manual. Pointers are left out: what
 * they lead to could be changed while somebody looks, and is not looked at.
 */
const scalars: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  mount: { flags: 3 },
  umount2: { flags: 1 },
  move_mount: { flags: 4 },
  open_tree: { flags: 2 },
  fsopen: { flags: 1 },
  fsconfig: { command: 1 },
  mount_setattr: { flags: 2 },
  unshare: { flags: 0 },
  clone: { flags: 0 },
  setns: { nstype: 1 },
  ptrace: { request: 0, pid: 1 },
  process_vm_readv: { pid: 0 },
  process_vm_writev: { pid: 0 },
  pidfd_getfd: { pidfd: 0, targetfd: 1 },
  bpf: { command: 0 },
  perf_event_open: { pid: 1, cpu: 2, flags: 4 },
  userfaultfd: { flags: 0 },
  finit_module: { flags: 2 },
  kexec_load: { flags: 3 },
  kexec_file_load: { flags: 4 },
  reboot: { command: 2 },
  swapon: { flags: 1 },
  open_by_handle_at: { flags: 2 },
  keyctl: { operation: 0 },
  iopl: { level: 0 },
  clock_settime: { clock: 0 },
  clock_adjtime: { clock: 0 },
};

/** These are `int` to the kernel: a negative one is shown so. */
const signed: ReadonlySet<string> = new Set(['pid', 'cpu', 'pidfd', 'targetfd', 'clock']);

export function scalarArguments(
  name: string,
  args: readonly bigint[],
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(scalars[name] ?? {}).map(([argument, index]) => {
      const value = args[index] ?? 0n;
      const wide = argument === 'flags' ? BigInt.asUintN(52, value) : BigInt.asUintN(32, value);
      return [argument, Number(signed.has(argument) ? BigInt.asIntN(32, value) : wide)];
    }),
  );
}
