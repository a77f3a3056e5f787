// Hostile: takes an inner part of the runtime that starts programs, past child_process.
// Families: sandbox-escape. As a package: refused.
try {
  const inner = process.binding('spawn_sync');
  inner.spawn({ file: '/nonexistent-caisson/program', args: ['program'], stdio: [] });
} catch {}
