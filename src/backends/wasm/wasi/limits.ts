import { CaissonError } from '../../../core/error.ts';

/** How much a guest may have of each thing. Past a limit the guest gets the error number that is named with it. */
export interface WasiLimits {
  /** Bytes of all files that the guest made or changed, symlinks' targets included; default 64 MiB. ENOSPC, for one file EFBIG. */
  readonly fileBytes: number;
  /** Names that the guest may add to directories; default 16,384. ENOSPC. */
  readonly entries: number;
  /** Open descriptors, stdio and preopens included; default 256. EMFILE. */
  readonly descriptors: number;
  /** Bytes of one path; default 4,096. ENAMETOOLONG. */
  readonly pathBytes: number;
  /** Bytes of one name in a path; default 255. ENAMETOOLONG. */
  readonly nameBytes: number;
  /** Symlinks followed for one path; default 40. ELOOP. */
  readonly symlinks: number;
  /** Directories below one another; default 256. ENAMETOOLONG. */
  readonly depth: number;
  /** Buffers of one read or write; default 1,024. EINVAL. */
  readonly vectors: number;
  /** Subscriptions of one poll; default 1,024. EINVAL. */
  readonly subscriptions: number;
  /** Bytes that one read or write moves; default 64 MiB. The call answers with the shorter count. */
  readonly transferBytes: number;
}

export const defaultWasiLimits: WasiLimits = {
  fileBytes: 64 * 2 ** 20,
  entries: 16_384,
  descriptors: 256,
  pathBytes: 4096,
  nameBytes: 255,
  symlinks: 40,
  depth: 256,
  vectors: 1024,
  subscriptions: 1024,
  transferBytes: 64 * 2 ** 20,
};

/**
 * The defaults with what a caller named put over them.
 *
 * @throws CaissonError `REQUEST_INVALID` for an unknown name, and for what is no count
 */
export function wasiLimits(named: Partial<WasiLimits> = {}): WasiLimits {
  for (const [name, value] of Object.entries(named)) {
    if (!Object.hasOwn(defaultWasiLimits, name)) {
      throw new CaissonError('REQUEST_INVALID', {
        layer: 'backends',
        message: `there is no WASI limit ${name}`,
        hint: `the limits are ${Object.keys(defaultWasiLimits).join(', ')}`,
      });
    }
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new CaissonError('REQUEST_INVALID', {
        layer: 'backends',
        message: `the WASI limit ${name} is no whole number from 0 to 2^53 - 1`,
      });
    }
  }
  return { ...defaultWasiLimits, ...named };
}
