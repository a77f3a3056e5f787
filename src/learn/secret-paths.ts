/**
 * Paths that tend to hold secrets, so that a report points at them. A guess by name: no file is opened for it.
 */

const patterns: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/(^|\/)\.ssh(\/|$)/, 'SSH keys'],
  [/(^|\/)id_(rsa|ed25519|ecdsa|dsa)$/, 'an SSH key'],
  [/(^|\/)\.gnupg(\/|$)/, 'GnuPG keys'],
  [/(^|\/)\.(aws|azure|kube|oci)(\/|$)/, 'credentials of a cloud'],
  [/(^|\/)\.config\/(gcloud|gh|hub|op|doctl)(\/|$)/, 'credentials of a service'],
  [/(^|\/)\.docker\/config\.json$/, 'credentials of a registry'],
  [/(^|\/)\.(netrc|npmrc|pypirc|pgpass|my\.cnf|git-credentials)$/, 'credentials'],
  [/(^|\/)\.(cargo|gem)\/credentials(\.toml)?$/, 'credentials of a registry'],
  [/(^|\/)\.env(\.[^/]+)?$/, 'variables that are often secret'],
  [/\.(pem|key|p12|pfx|jks|keystore|kdbx)$/, 'a key'],
  [/(^|\/)(secrets?|credentials?)(\.[^/]+)?$/i, 'secrets, by its name'],
  [/(^|\/)\.(mozilla|thunderbird)(\/|$)|(^|\/)(google-chrome|chromium)(\/|$)/, 'a browser profile'],
  [/^\/etc\/(shadow|gshadow|sudoers)/, 'passwords of this machine'],
];

/** What `path` seems to hold; undefined where nothing points to a secret. */
export function secretAt(path: string): string | undefined {
  // Certificates that everybody may have.
  if (path.startsWith('/usr/') || path.startsWith('/etc/ssl/certs/')) return undefined;
  if (/(^|\/)(cacert|cacerts|ca-bundle|ca-certificates|roots)\.pem$/.test(path)) return undefined;
  return patterns.find(([pattern]) => pattern.test(path))?.[1];
}
