// Hostile: ends other processes (of an id that no system gives).
// Families: process-manipulation. As a package: ordinary.
export function end(): void {
  try {
    process.kill(2 ** 30, 'SIGKILL');
  } catch {}
}
