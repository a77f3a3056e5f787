/** What Caisson's runs stand under here: everything that the strict level turns on, and cgroup limits. */
import type { PolicyDocument } from '../src/policy/document.ts';

export function benchPolicy(programDirectory: string, name = 'bench'): PolicyDocument {
  return {
    version: 1,
    name,
    level: 'strict',
    filesystem: { read: [programDirectory], write: ['$workspace'], workspace: 'direct' },
    environment: { pass: ['RUN'] },
    limits: { memory: '256MiB', processes: 64, cpu: 1, timeout: '10s', openFiles: 256 },
  };
}
