/**
 * The settings of Anthropic's sandbox-runtime (npm @anthropic-ai/sandbox-runtime), as its README and its schema describe
 * them (0.0.21 to 0.0.81, github.com/anthropic-experimental/sandbox-runtime). The only source of the type, of what is
 * refused as unknown, and of the table in docs/srt-settings.md.
 *
 * Each description says what becomes of the field here: `same`, `stricter`, `refused`, or `nothing` where srt on Linux
 * takes nothing from it either, or where it is about srt's own parts.
 */
import { z } from 'zod';

const texts = (what: string) =>
  z.array(z.string().min(1, 'write a text')).exactOptional().describe(what);
const flag = (what: string) => z.boolean().exactOptional().describe(what);
const anything = (what: string) => z.unknown().exactOptional().describe(what);

const masked = {
  mode: z.enum(['deny', 'mask']).describe('`deny`: same. `mask`: see the entry.'),
  injectHosts: texts('same: hosts that the value is sent to; default those of allowedDomains.'),
  extract: anything('refused with `mask`: a value is replaced as a whole. Nothing with `deny`.'),
  onExtractNoMatch: anything('nothing: it belongs to `extract` and `decode`.'),
  decode: anything('refused with `mask`: values are not looked into. Nothing with `deny`.'),
  maskClaims: anything('refused with `mask`: values are not looked into. Nothing with `deny`.'),
};

const network = z.strictObject({
  allowedDomains: texts(
    'same: names, `*.name`, addresses, each with or without `:port`. stricter: a name that leads to a private address is refused. refused: `localhost` and loopback addresses, since the sandbox has its own.',
  ),
  deniedDomains: texts(
    'same, before allowedDomains. stricter: a denied address holds for names that lead to it, too.',
  ),
  deniedDomainReasons: z
    .record(z.string(), z.string())
    .exactOptional()
    .describe('nothing: a refusal names the rule.'),
  strictAllowlist: flag('same: `--ask` cannot stand beside it.'),
  allowUnixSockets: texts('nothing, as in srt on Linux: unix sockets stay closed.'),
  allowAllUnixSockets: flag('same: without it no unix socket can be opened inside.'),
  allowLocalBinding: flag('nothing, as in srt on Linux: the sandbox has a loopback of its own.'),
  allowMachLookup: anything('nothing: macOS.'),
  httpProxyPort: anything('refused: Caisson decides itself, not a proxy of yours.'),
  socksProxyPort: anything('refused: Caisson decides itself, not a proxy of yours.'),
  mitmProxy: anything('refused: connections are made by Caisson itself.'),
  parentProxy: anything('refused: connections are made by Caisson itself.'),
  filterRequest: anything('refused: a function of a program, which a file cannot hold.'),
  tlsTerminate: z
    .strictObject({
      caCertPath: anything('refused: each sandbox has an authority of its own.'),
      caKeyPath: anything('refused: each sandbox has an authority of its own.'),
      excludeDomains: texts('refused unless empty: all TLS is opened, or none.'),
      extraCaCertPaths: texts('refused unless empty: the host’s own roots are trusted.'),
    })
    .exactOptional()
    .describe('same: `intercept`.'),
});

const filesystem = z.strictObject({
  disabled: flag('refused when true: there is no sandbox without a file system of its own.'),
  denyRead: texts(
    'same; of two rules the longer path holds. `/**` at the end stands for its directory; other patterns are expanded when the command starts. stricter: what is denied cannot be written either. refused: a directory that programs need, such as /usr.',
  ),
  allowRead: texts(
    'same: reading below denied paths. `/**` at the end stands for its directory. refused: other patterns, and links to other places.',
  ),
  allowWrite: texts(
    'same: all else is read-only; a path that does not exist is left out, and `/**` at the end stands for its directory. stricter: changes below the working directory are applied when the command has ended. refused: other patterns, and links to other places.',
  ),
  denyWrite: texts(
    'same, before allowWrite. `/**` at the end stands for its directory. Below the working directory it holds for what does not exist yet, and for patterns with `*` and `**`. refused: elsewhere other patterns, and what does not exist.',
  ),
  allowGitConfig: flag('same: without it .git/config cannot be written.'),
});

const credentials = z.strictObject({
  files: z
    .array(
      z.strictObject({
        path: z.string().min(1).describe('as in denyRead.'),
        ...masked,
        maskDuplicates: anything('nothing: it belongs to `mask`.'),
      }),
    )
    .exactOptional()
    .describe(
      '`deny`: same, as denyRead. `mask`: refused, since a file cannot show another content here.',
    ),
  envVars: z
    .array(
      z.strictObject({
        name: z
          .string()
          .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'write a name of an environment variable')
          .describe('the variable.'),
        ...masked,
      }),
    )
    .exactOptional()
    .describe(
      '`deny`: same. `mask`: same, by `network.secrets`; needs tlsTerminate, as in srt. stricter: the value is put into headers alone, over TLS alone.',
    ),
  allowPlaintextInject: flag('refused when true: a secret goes over TLS alone.'),
  awsPairs: anything('refused: requests are not signed anew.'),
  sigv4: anything('refused: requests are not signed anew.'),
});

export const srtSettingsSchema = z.strictObject({
  network: network.exactOptional().describe('Default: no network.'),
  filesystem: filesystem
    .exactOptional()
    .describe('Default: everything may be read, nothing written.'),
  credentials: credentials.exactOptional().describe('Default: none.'),
  ignoreViolations: z
    .record(z.string(), z.array(z.string()))
    .exactOptional()
    .describe('stricter: what is refused is recorded all the same.'),
  enableWeakerNestedSandbox: flag(
    'stricter: nothing gets weaker; what the host cannot enforce is named, and accepted by name.',
  ),
  enableWeakerNetworkIsolation: flag('nothing: macOS.'),
  allowAppleEvents: flag('nothing: macOS.'),
  allowPty: flag('nothing: macOS.'),
  mandatoryDenySearchDepth: anything('stricter: what is always denied is denied at every depth.'),
  git: z
    .strictObject({ safeDirectories: texts('same: `safe.directory`, by variables.') })
    .exactOptional()
    .describe('Default: none.'),
  ripgrep: anything('nothing: a part of srt.'),
  seccomp: anything('nothing: a part of srt.'),
  bwrapPath: anything('nothing: a part of srt.'),
  socatPath: anything('nothing: a part of srt.'),
  javaAgentJarPath: anything('nothing: a part of srt.'),
  windows: anything('nothing: Windows.'),
});

export type SrtSettings = z.infer<typeof srtSettingsSchema>;
