/**
 * The functions of wasi_snapshot_preview1 and the types of their parameters, in order. All but proc_exit answer one
 * i32, an error number. A caller that decodes modules compares a module's imports with this table: V8 links a
 * function of JavaScript to any type.
 * Source: WebAssembly/WASI, preview1/witx/wasi_snapshot_preview1.witx, lowered to core types.
 */
export const wasiSignatures = {
  args_get: ['i32', 'i32'],
  args_sizes_get: ['i32', 'i32'],
  environ_get: ['i32', 'i32'],
  environ_sizes_get: ['i32', 'i32'],
  clock_res_get: ['i32', 'i32'],
  clock_time_get: ['i32', 'i64', 'i32'],
  fd_advise: ['i32', 'i64', 'i64', 'i32'],
  fd_allocate: ['i32', 'i64', 'i64'],
  fd_close: ['i32'],
  fd_datasync: ['i32'],
  fd_fdstat_get: ['i32', 'i32'],
  fd_fdstat_set_flags: ['i32', 'i32'],
  fd_fdstat_set_rights: ['i32', 'i64', 'i64'],
  fd_filestat_get: ['i32', 'i32'],
  fd_filestat_set_size: ['i32', 'i64'],
  fd_filestat_set_times: ['i32', 'i64', 'i64', 'i32'],
  fd_pread: ['i32', 'i32', 'i32', 'i64', 'i32'],
  fd_prestat_get: ['i32', 'i32'],
  fd_prestat_dir_name: ['i32', 'i32', 'i32'],
  fd_pwrite: ['i32', 'i32', 'i32', 'i64', 'i32'],
  fd_read: ['i32', 'i32', 'i32', 'i32'],
  fd_readdir: ['i32', 'i32', 'i32', 'i64', 'i32'],
  fd_renumber: ['i32', 'i32'],
  fd_seek: ['i32', 'i64', 'i32', 'i32'],
  fd_sync: ['i32'],
  fd_tell: ['i32', 'i32'],
  fd_write: ['i32', 'i32', 'i32', 'i32'],
  path_create_directory: ['i32', 'i32', 'i32'],
  path_filestat_get: ['i32', 'i32', 'i32', 'i32', 'i32'],
  path_filestat_set_times: ['i32', 'i32', 'i32', 'i32', 'i64', 'i64', 'i32'],
  path_link: ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
  path_open: ['i32', 'i32', 'i32', 'i32', 'i32', 'i64', 'i64', 'i32', 'i32'],
  path_readlink: ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
  path_remove_directory: ['i32', 'i32', 'i32'],
  path_rename: ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
  path_symlink: ['i32', 'i32', 'i32', 'i32', 'i32'],
  path_unlink_file: ['i32', 'i32', 'i32'],
  poll_oneoff: ['i32', 'i32', 'i32', 'i32'],
  proc_exit: ['i32'],
  proc_raise: ['i32'],
  sched_yield: [],
  random_get: ['i32', 'i32'],
  sock_accept: ['i32', 'i32', 'i32'],
  sock_recv: ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
  sock_send: ['i32', 'i32', 'i32', 'i32', 'i32'],
  sock_shutdown: ['i32', 'i32'],
} as const satisfies Readonly<Record<string, readonly ('i32' | 'i64')[]>>;

export type WasiFunction = keyof typeof wasiSignatures;

/** The module name that guests import these from. */
export const WASI_MODULE = 'wasi_snapshot_preview1';

/** Whether a function that a module imports is one of these, by name and by type. */
export function isWasiFunction(
  name: string,
  parameters: readonly string[],
  results: readonly string[],
): boolean {
  if (!Object.hasOwn(wasiSignatures, name)) return false;
  const wanted = wasiSignatures[name as WasiFunction];
  const answers = name === 'proc_exit' ? [] : ['i32'];
  return `${parameters} ${results}` === `${wanted} ${answers}`;
}

type Argument<T> = T extends 'i64' ? bigint : number;
type Arguments<T extends readonly unknown[]> = {
  -readonly [I in keyof T]: Argument<T[I]>;
};

/** The functions as they are written here: i32 as a number and i64 as a bigint, both read as unsigned. */
export type WasiCalls = {
  readonly [Name in WasiFunction]: (...args: Arguments<(typeof wasiSignatures)[Name]>) => number;
};

/** What V8 passes, as the unsigned number of the declared type; total, since a module may declare another type. */
export function asUnsigned(type: 'i32' | 'i64', value: unknown): number | bigint {
  if (type === 'i64') return BigInt.asUintN(64, typeof value === 'bigint' ? value : 0n);
  return typeof value === 'number' ? value >>> 0 : 0;
}
