/**
 * From the settings of Anthropic's sandbox-runtime to the document of a policy that never allows more than srt on Linux
 * would, or everything in them that has no such policy. What each field becomes: `srt-schema.ts`, docs/srt-settings.md.
 */

import { CaissonError } from '../../core/error.ts';
import { safeParse } from '../../core/safe-parse.ts';
import type { PolicyDocument } from '../document.ts';
import { checkKind, checkOptions } from '../known-options.ts';
import { SRT_CONTEXT } from '../option-kinds.ts';
import { formatPath, type Locate, type Problem, policyInvalid } from '../problems.ts';
import { schemaProblems } from '../schema-problems.ts';
import { readYaml } from '../yaml-source.ts';
import type { SrtContext, SrtReport } from './srt-context.ts';
import { srtFiles } from './srt-files.ts';
import { srtNetwork } from './srt-network.ts';
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
 * @throws CaissonError `POLICY_INVALID`, with every field in `details.problems` that is unknown, wrong, or has no policy; `REQUEST_INVALID` for the context
 * @example policyFromSrtSettings({ filesystem: { allowWrite: ['.'] } }, { home: '/home/me', cwd: '/home/me/work' })
 */
export function policyFromSrtSettings(settings: unknown, context: SrtContext): PolicyDocument {
  return translateSrtSettings(settings, context).document;
}

/** As {@link policyFromSrtSettings}, with what a policy cannot say. */
export function translateSrtSettings(settings: unknown, context: SrtContext): SrtTranslation {
  checkOptions(context, 'policyFromSrtSettings', SRT_CONTEXT, 'policy');
  // A list in it that is relative would be read from nowhere.
  for (const name of ['home', 'cwd'] as const) {
    checkKind(context[name], SRT_CONTEXT[name], `policyFromSrtSettings: ${name}`, 'policy');
  }
  const { source } = context;
  const { value, locate } =
    typeof settings === 'string' ? readJson(settings, source) : { value: settings };
  const parsed = safeParse(srtSettingsSchema, value);
  if (!parsed.success) {
    throw refused(schemaProblems(srtSettingsSchema, parsed.error.issues, { locate }), source);
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
    filesystem: srtFiles(settings, context, report),
    network,
    environment: {
      pass: ['*', ...[...PROXY_VARIABLES, ...new Set(hidden)].map((name) => `!${name}`)],
      set: { SANDBOX_RUNTIME: '1', ...gitVariables(settings.git?.safeDirectories ?? []) },
    },
    ...(openSockets ? {} : { syscalls: { deny: ['socket_unix'] } }),
    limits: { timeout: null },
  };
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
