/**
 * What the file system of a path is called, by statfs(2)'s magic number (include/uapi/linux/magic.h of Linux; ext4, f2fs
 * and the like share or have theirs in fs/).
 */
import { statfsSync } from 'node:fs';

const names: Readonly<Record<number, string>> = {
  391: 'autofs',
  19780: 'vfat',
  20859: 'smb',
  26985: 'nfs',
  38496: 'iso9660',
  40864: 'proc',
  61267: 'ext4',
  61791: 'ecryptfs',
  12805120: 'ceph',
  16914836: 'tmpfs',
  16914839: '9p',
  538032816: 'exfat',
  801189825: 'zfs',
  1481003842: 'xfs',
  1650812274: 'sysfs',
  1667723888: 'cgroup2',
  1702057286: 'fuse',
  1936814952: 'squashfs',
  2035054128: 'overlayfs',
  2240043254: 'ramfs',
  2435016766: 'btrfs',
  3774210530: 'erofs',
  4076150800: 'f2fs',
  4266872130: 'smb',
  4283649346: 'cifs',
};

/** Its number where the name is not known; `undefined` where the path cannot be asked. */
export function fileSystemName(path: string): string | undefined {
  try {
    const { type } = statfsSync(path);
    return names[type] ?? `of type 0x${type.toString(16)}`;
  } catch {
    return undefined;
  }
}
