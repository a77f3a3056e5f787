/**
 * Fields of srt settings that stand for something that is not done here: refused by name, never passed over.
 */
import type { SrtReport } from './srt-context.ts';
import type { SrtSettings } from './srt-schema.ts';

const OWN_PROXY = 'take it out; network.allow and network.deny are decided by Caisson itself';

export function refuseSrtFields(settings: SrtSettings, report: SrtReport): void {
  const { network = {}, filesystem = {}, credentials = {} } = settings;
  for (const key of ['httpProxyPort', 'socksProxyPort'] as const) {
    if (network[key] !== undefined) {
      report(
        ['network', key],
        'a proxy of yours would decide, and Caisson could promise nothing',
        OWN_PROXY,
      );
    }
  }
  for (const key of ['mitmProxy', 'parentProxy'] as const) {
    if (network[key] !== undefined) {
      report(
        ['network', key],
        'connections are made by Caisson itself, by no other proxy',
        OWN_PROXY,
      );
    }
  }
  if (network.filterRequest !== undefined) {
    report(
      ['network', 'filterRequest'],
      'a file cannot hold a function',
      'write a policy with `http` rules: docs/network.md',
    );
  }
  const { tlsTerminate = {} } = network;
  for (const key of ['caCertPath', 'caKeyPath'] as const) {
    if (tlsTerminate[key] !== undefined) {
      report(
        ['network', 'tlsTerminate', key],
        'each sandbox has an authority of its own, whose key nobody can take along',
        'take it out',
      );
    }
  }
  if ((tlsTerminate.excludeDomains ?? []).length > 0) {
    report(
      ['network', 'tlsTerminate', 'excludeDomains'],
      'TLS is opened to every host, or to none',
      'take tlsTerminate out, or run what pins certificates by settings of its own',
    );
  }
  if ((tlsTerminate.extraCaCertPaths ?? []).length > 0) {
    report(
      ['network', 'tlsTerminate', 'extraCaCertPaths'],
      'servers are verified against the roots of this host',
      'add the root to those of this host (update-ca-certificates)',
    );
  }
  if (filesystem.disabled === true) {
    report(
      ['filesystem', 'disabled'],
      'there is no sandbox without a file system of its own',
      'write "allowWrite": ["/"], or run the command without a sandbox',
    );
  }
  if (credentials.allowPlaintextInject === true) {
    report(
      ['credentials', 'allowPlaintextInject'],
      'a secret goes over verified TLS alone',
      'take it out',
    );
  }
  for (const key of ['awsPairs', 'sigv4'] as const) {
    if (credentials[key] !== undefined) {
      report(
        ['credentials', key],
        'requests are not signed anew',
        'take it out, and write mode "deny" for these variables',
      );
    }
  }
  for (const [i, { mode }] of (credentials.files ?? []).entries()) {
    if (mode === 'mask') {
      report(
        ['credentials', 'files', i, 'mode'],
        'a file cannot show another content here',
        'write mode "deny", and mask a variable that holds the value',
      );
    }
  }
}
