/**
 * From the settings of Anthropic's sandbox-runtime to the document of a policy that never allows more than srt on Linux
 * would, or everything in them that has no such policy. What each field becomes: `srt-schema.ts`, docs/srt-settings.md.
 */
import { CaissonError } from '../../core/error.ts';
import type { PolicyDocument } from '../document.ts';
import { containsPath, isWithin, pathSet, touchesPath } from '../path-set.ts';
import type { PathSet } from '../policy.ts';
import { formatPath, type Locate, type Problem, policyInvalid } from '../problems.ts';
import { schemaProblems } from '../schema-problems.ts';
import { SYSTEM_DIRECTORIES } from '../system-directories.ts';
import { readYaml } from '../yaml-source.ts';
import { SRT_ALWAYS_DENIED } from './srt-always-denied.ts';
import type { SrtContext, SrtReport } from './srt-context.ts';
import { srtNetwork } from './srt-network.ts';
import { allowedPaths, deniedReads, deniedWrites, type NamedAt } from './srt-paths.ts';
import { refuseSrtFields } from './srt-refusals.ts';
import { type SrtSettings, srtSettingsSchema } from './srt-schema.ts';

/** As in a policy: looked at before anything is parsed. */
const MAX_SETTINGS_BYTES = 256 * 1024;

/** What srt points at its own proxy, and what would lead past ours to nowhere. */
const PROXY_VARIABLES = ['HTTP', 'HTTPS', 'ALL', 'NO', 'FTP', 'RSYNC', 'GRPC'].flatMap((kind) => {
  const name = `${kind}_PROXY`;
  return [name, name.toLowerCase()];
});

export interface SrtTranslation {
  readonly document: PolicyDocument;
  /** `network.strictAllowlist`: nobody may be asked about other destinations. */
  readonly asksNobody: boolean;
}

/**
 * @param settings the text of a settings file, or what it holds
 * @returns a document whose `.` is `context.cwd`: run it with that workspace
 * @throws CaissonError `POLICY_INVALID`, with every field in `details.problems` that is unknown, wrong, or has no policy
 * @example policyFromSrtSettings({ filesystem: { allowWrite: ['.'] } }, { home: '/home/me', cwd: '/home/me/work' })
 */
export function policyFromSrtSettings(settings: unknown, context: SrtContext): PolicyDocument {
  return translateSrtSettings(settings, context).document;
}

/** As {@link policyFromSrtSettings}, with what a policy cannot say. */
export function translateSrtSettings(settings: unknown, context: SrtContext): SrtTranslation {
  const { source } = context;
  const { value, locate } =
    typeof settings === 'string' ? readJson(settings, source) : { value: settings };
  const parsed = srtSettingsSchema.safeParse(value, { reportInput: true });
  if (!parsed.success) {
    throw refused(schemaProblems(srtSettingsSchema, parsed.error.issues, locate), source);
  }
  const problems: Problem[] = [];
  const report: SrtReport = (at, message, suggestion) => {
    problems.push({
      path: formatPath(at),
      ...locate?.(at, 'value'),
      message,
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  };
  refuseSrtFields(parsed.data, report);
  const document = documentOf(parsed.data, context, report);
  if (problems.length > 0) throw refused(problems, source);
  return { document, asksNobody: parsed.data.network?.strictAllowlist === true };
}

function documentOf(settings: SrtSettings, context: SrtContext, report: SrtReport): PolicyDocument {
  const { network, hidden } = srtNetwork(settings, report);
  const openSockets = settings.network?.allowAllUnixSockets === true;
  return {
    version: 1,
    name: 'srt-settings',
    level: 'moderate',
    filesystem: filesystemOf(settings, context, report),
    network,
    environment: {
      pass: ['*', ...[...PROXY_VARIABLES, ...new Set(hidden)].map((name) => `!${name}`)],
      set: { SANDBOX_RUNTIME: '1', ...gitVariables(settings.git?.safeDirectories ?? []) },
    },
    ...(openSockets ? {} : { syscalls: { deny: ['socket_unix'] } }),
    limits: { timeout: null },
  };
}

function filesystemOf(
  { filesystem = {}, credentials = {} }: SrtSettings,
  context: SrtContext,
  report: SrtReport,
): NonNullable<PolicyDocument['filesystem']> {
  const { cwd } = context;
  if (cwd === '/')
    report(
      ['filesystem'],
      'the working directory is /',
      'run the command in a directory of its own',
    );
  const named = (key: 'denyRead' | 'allowRead' | 'allowWrite' | 'denyWrite'): NamedAt[] =>
    (filesystem[key] ?? []).map((path, i) => ({ path, at: ['filesystem', key, i] }));
  const files = (credentials.files ?? []).map(
    ({ path }, i): NamedAt => ({ path, at: ['credentials', 'files', i, 'path'] }),
  );
  const again = allowedPaths(named('allowRead'), context, report);
  const denied = [
    // Named in both it may be read; a credential stays denied.
    ...deniedReads(named('denyRead'), context, report).filter(
      ({ path }) => !again.some((one) => one.path === path),
    ),
    ...deniedReads(files, context, report),
  ];
  const included = [{ path: '/' }, ...again].map(({ path }) => ({ path, include: true }));
  const excluded = denied.map(({ path }) => ({ path, include: false }));
  const read = pathSet([...included, ...excluded]);
  refuseHiddenSystem(denied, read, context, report);

  const writes = allowedPaths(named('allowWrite'), context, report);
  const beyond = pathSet(writes.map(({ path }) => ({ path, include: true })));
  const kept = deniedWrites(
    named('denyWrite'),
    (path) => touchesPath(beyond, path),
    context,
    report,
  );
  // Denied is denied, however much closer the allowed path is.
  const left = writes.filter(({ path }) => !kept.paths.some((one) => isWithin(path, one)));
  const write = pathSet([
    ...left.map(({ path }) => ({ path, include: true })),
    ...kept.paths.map((path) => ({ path, include: false })),
    ...excluded,
  ]);
  refuseHiddenWrites(left, denied, read, context, report);
  const inWorkspace = touchesPath(write, cwd);
  const always = SRT_ALWAYS_DENIED.filter(
    (pattern) => filesystem.allowGitConfig !== true || pattern !== '**/.git/config',
  );
  return {
    read: entriesOf(read, cwd),
    write: withCarveOuts(entriesOf(write, cwd), entriesOf(read, cwd), write),
    scratch: ['/tmp', '/var/tmp'].filter((path) => !containsPath(write, path)),
    ...(inWorkspace
      ? {
          workspace: 'overlay',
          apply: 'auto',
          protect: [...new Set([...always, ...kept.protect])],
        }
      : {}),
  };
}

/** As a policy writes them: what lies in the working directory is of the workspace. */
function entriesOf(set: PathSet, cwd: string): string[] {
  const entries = set.rules.map(({ path, include }) => {
    const shown =
      path === cwd && include
        ? '.'
        : path !== cwd && isWithin(path, cwd)
          ? `.${path.slice(cwd.length)}`
          : path;
    return `${include ? '' : '!'}${shown}`;
  });
  const isNamed = set.rules.some(({ path }) => path === cwd);
  return containsPath(set, cwd) && !isNamed ? [...entries, '.'] : entries;
}

/** A policy wants to hear twice that what may be written lies in what may not be read. */
function withCarveOuts(write: string[], read: readonly string[], set: PathSet): string[] {
  const again = read.filter(
    (entry) => entry.startsWith('!/') && !write.includes(entry) && touchesPath(set, entry.slice(1)),
  );
  return [...write, ...again];
}

/** Programs and their libraries are shown in every sandbox of this kind. */
function refuseHiddenSystem(
  denied: readonly NamedAt[],
  read: PathSet,
  { look }: SrtContext,
  report: SrtReport,
): void {
  for (const directory of SYSTEM_DIRECTORIES) {
    const isThere = look === undefined || look(directory) === directory;
    const by = denied.find(({ path }) => isWithin(directory, path));
    if (!isThere || by === undefined || containsPath(read, directory)) continue;
    report(
      by.at,
      `${directory} is shown in every sandbox of this kind, since programs lie there`,
      `add ${JSON.stringify(directory)} to allowRead, or name what of it is to be hidden`,
    );
  }
}

function refuseHiddenWrites(
  writes: readonly NamedAt[],
  denied: readonly NamedAt[],
  read: PathSet,
  { cwd }: SrtContext,
  report: SrtReport,
): void {
  for (const { path, at } of writes) {
    const by = denied.find(
      (one) => one.path !== path && isWithin(path, one.path) && isWithin(one.path, cwd),
    );
    if (by === undefined || by.path === cwd || containsPath(read, path)) continue;
    report(at, `${path} lies in ${by.path}, which may not be read`, 'name it in allowRead, too');
  }
}

function gitVariables(directories: readonly string[]): Record<string, string> {
  if (directories.length === 0) return {};
  const entries = directories.flatMap((value, i) => [
    [`GIT_CONFIG_KEY_${i}`, 'safe.directory'],
    [`GIT_CONFIG_VALUE_${i}`, value],
  ]);
  return { GIT_CONFIG_COUNT: String(directories.length), ...Object.fromEntries(entries) };
}

function readJson(text: string, source?: string): { value: unknown; locate: Locate } {
  if (new TextEncoder().encode(text).byteLength > MAX_SETTINGS_BYTES) {
    throw refused(
      [{ path: '', message: `larger than settings may be (${MAX_SETTINGS_BYTES} bytes)` }],
      source,
    );
  }
  let fault: string | undefined;
  try {
    JSON.parse(text);
  } catch (error) {
    fault = `not JSON: ${error instanceof Error ? error.message : error}`;
  }
  const { value, locate, problems } = readYaml(text, source ?? '');
  if (fault !== undefined || problems.length > 0) {
    throw refused(problems.length > 0 ? problems : [{ path: '', message: fault ?? '' }], source);
  }
  return { value, locate };
}

function refused(problems: readonly Problem[], source: string | undefined) {
  const named = source === undefined ? problems : problems.map((one) => ({ ...one, source }));
  const error = policyInvalid(named);
  const hint = problems.find(({ suggestion }) => suggestion !== undefined)?.suggestion;
  return new CaissonError('POLICY_INVALID', {
    layer: 'policy',
    message: error.message,
    hint: hint ?? 'docs/srt-settings.md says what becomes of each field',
    details: error.details,
  });
}
