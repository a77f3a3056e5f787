/**
 * What a descriptor may be used for, as bits: base rights hold for the descriptor itself, inheriting rights bound
 * what can be opened through it. Rights can be given up and never gained.
 * Source: WebAssembly/WASI, preview1/witx/typenames.witx, `$rights`.
 */
export const right = {
  fdDatasync: 1 << 0,
  fdRead: 1 << 1,
  fdSeek: 1 << 2,
  fdFdstatSetFlags: 1 << 3,
  fdSync: 1 << 4,
  fdTell: 1 << 5,
  fdWrite: 1 << 6,
  fdAdvise: 1 << 7,
  fdAllocate: 1 << 8,
  pathCreateDirectory: 1 << 9,
  pathCreateFile: 1 << 10,
  pathLinkSource: 1 << 11,
  pathLinkTarget: 1 << 12,
  pathOpen: 1 << 13,
  fdReaddir: 1 << 14,
  pathReadlink: 1 << 15,
  pathRenameSource: 1 << 16,
  pathRenameTarget: 1 << 17,
  pathFilestatGet: 1 << 18,
  pathFilestatSetSize: 1 << 19,
  pathFilestatSetTimes: 1 << 20,
  fdFilestatGet: 1 << 21,
  fdFilestatSetSize: 1 << 22,
  fdFilestatSetTimes: 1 << 23,
  pathSymlink: 1 << 24,
  pathRemoveDirectory: 1 << 25,
  pathUnlinkFile: 1 << 26,
  pollFdReadwrite: 1 << 27,
  sockShutdown: 1 << 28,
  sockAccept: 1 << 29,
} as const;

/** Bits above the known ones name nothing that could be granted. */
export const KNOWN_RIGHTS = 2 ** 30 - 1;

const FILE_READ =
  right.fdRead |
  right.fdSeek |
  right.fdFdstatSetFlags |
  right.fdTell |
  right.fdAdvise |
  right.fdFilestatGet |
  right.pollFdReadwrite;

/** Rights that mean something on a regular file. */
export const FILE_RIGHTS =
  FILE_READ |
  right.fdDatasync |
  right.fdSync |
  right.fdWrite |
  right.fdAllocate |
  right.fdFilestatSetSize |
  right.fdFilestatSetTimes;

const DIRECTORY_READ =
  right.fdFdstatSetFlags |
  right.fdAdvise |
  right.pathOpen |
  right.fdReaddir |
  right.pathReadlink |
  right.pathFilestatGet |
  right.fdFilestatGet |
  right.pollFdReadwrite;

/** Rights that mean something on a directory. */
export const DIRECTORY_RIGHTS =
  DIRECTORY_READ |
  right.fdDatasync |
  right.fdSync |
  right.pathCreateDirectory |
  right.pathCreateFile |
  right.pathLinkSource |
  right.pathLinkTarget |
  right.pathRenameSource |
  right.pathRenameTarget |
  right.pathFilestatSetSize |
  right.pathFilestatSetTimes |
  right.fdFilestatSetTimes |
  right.pathSymlink |
  right.pathRemoveDirectory |
  right.pathUnlinkFile;

const STREAM_RIGHTS = right.fdFdstatSetFlags | right.fdFilestatGet | right.pollFdReadwrite;
export const INPUT_RIGHTS = STREAM_RIGHTS | right.fdRead;
export const OUTPUT_RIGHTS = STREAM_RIGHTS | right.fdWrite | right.fdSync | right.fdDatasync;

export interface Rights {
  readonly base: number;
  readonly inheriting: number;
}

/**
 * What a preopened directory starts with. `read` leaves out linking and renaming too: a second name in a place that
 * may be written would be a way to write.
 */
export const preopenRights: Readonly<Record<'read' | 'write', Rights>> = {
  read: { base: DIRECTORY_READ, inheriting: DIRECTORY_READ | FILE_READ },
  write: { base: DIRECTORY_RIGHTS, inheriting: DIRECTORY_RIGHTS | FILE_RIGHTS },
};

/** The rights a guest names, as bits; what is not known is dropped. */
export function knownRights(rights: bigint): number {
  return Number(BigInt.asUintN(30, rights));
}
