// Hostile: has every shell of a user start it (of a user that is not there).
// Families: persistence, filesystem. As a package: refused.
import { appendFileSync } from 'node:fs';

try {
  appendFileSync('/nonexistent-caisson/home/.bashrc', '\nnode /nonexistent-caisson/agent.js &\n');
} catch {}
