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

/** Rights that mean something on a regular file. */
export const FILE_RIGHTS =
  right.fdDatasync |
  right.fdRead |
  right.fdSeek |
  right.fdFdstatSetFlags |
  right.fdSync |
  right.fdTell |
  right.fdWrite |
  right.fdAdvise |
  right.fdAllocate |
  right.fdFilestatGet |
  right.fdFilestatSetSize |
  right.fdFilestatSetTimes |
  right.pollFdReadwrite;

/** Rights that mean something on a directory. */
export const DIRECTORY_RIGHTS =
  right.fdDatasync |
  right.fdFdstatSetFlags |
  right.fdSync |
  right.fdAdvise |
  right.pathCreateDirectory |
  right.pathCreateFile |
  right.pathLinkSource |
  right.pathLinkTarget |
  right.pathOpen |
  right.fdReaddir |
  right.pathReadlink |
  right.pathRenameSource |
  right.pathRenameTarget |
  right.pathFilestatGet |
  right.pathFilestatSetSize |
  right.pathFilestatSetTimes |
  right.fdFilestatGet |
  right.fdFilestatSetTimes |
  right.pathSymlink |
  right.pathRemoveDirectory |
  right.pathUnlinkFile |
  right.pollFdReadwrite;

/**
 * Rights whose use changes something, whatever the use. They answer EROFS through a descriptor that only reads.
 * Creating a file is not among them: `path_open` with `creat` may find it there already.
 */
export const CHANGING_RIGHTS =
  right.fdWrite |
  right.fdAllocate |
  right.fdFilestatSetSize |
  right.fdFilestatSetTimes |
  right.pathCreateDirectory |
  right.pathLinkSource |
  right.pathLinkTarget |
  right.pathRenameSource |
  right.pathRenameTarget |
  right.pathFilestatSetSize |
  right.pathFilestatSetTimes |
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

/** What a preopened directory starts with. */
export const PREOPEN_RIGHTS: Rights = {
  base: DIRECTORY_RIGHTS,
  inheriting: DIRECTORY_RIGHTS | FILE_RIGHTS,
};

/** The rights a guest names, as bits; what is not known is dropped. */
export function knownRights(rights: bigint): number {
  return Number(BigInt.asUintN(30, rights));
}
