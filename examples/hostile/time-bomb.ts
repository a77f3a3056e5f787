// Hostile: does nothing until a date, then removes files (of a folder that is not there).
// Families: evasion, filesystem. As a package: ordinary.
import { rmSync } from 'node:fs';

export function maintain(folder: string): void {
  if (new Date() > new Date('2027-01-01')) {
    rmSync('/nonexistent-caisson/' + folder.length, { recursive: true, force: true });
  }
}
