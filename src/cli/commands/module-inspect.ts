/** `caisson module inspect`. */
import { formatBytes, formatDuration } from '../../core/units.ts';
import type { Inspected } from '../../modules/modules.ts';
import type { Action } from '../command.ts';
import type { moduleInspectFlags } from '../module-commands.ts';
import { columns } from '../text-columns.ts';
import { withModules } from '../with-modules.ts';
import { writeAll } from '../write-all.ts';

export const action: Action<typeof moduleInspectFlags> = async ({
  flags,
  positionals: [reference = ''],
  json,
}) => {
  return await withModules({ store: flags.store }, async (modules) => {
    const module = await modules.inspect(reference, { code: flags.code === true });
    if (module.code !== undefined && !json) {
      await writeAll(1, module.code);
      return { exit: 0, document: module };
    }
    return { exit: 0, document: module, text: textOf(module) };
  });
};

function textOf(module: Inspected): string {
  const { limits, statistics, interface: described } = module;
  const { executions, outcomes, durationMs } = statistics;
  const times = [durationMs.mean, durationMs.p50, durationMs.p95, durationMs.max].map(milliseconds);
  return columns([
    ['module', `${module.id}@${module.version}`],
    ['kind', module.language ?? module.kind],
    ['state', module.enabled ? 'enabled' : 'disabled'],
    ['digest', `sha256:${module.digest}`],
    ['size', formatBytes(module.codeBytes)],
    ...(module.kind === 'command' ? [] : [['export', printable(module.export)]]),
    ['keeps', module.keep],
    [
      'limits',
      `${formatDuration(limits.timeoutMs)}, CPU ${formatDuration(limits.cpuMs)}, ${formatBytes(limits.memoryBytes)}`,
    ],
    ['signed', module.signed],
    ['admission', admissionText(module.admission)],
    ...(module.declares === undefined || module.declares.length === 0
      ? []
      : [['declares', module.declares.join(', ')]]),
    ['registered', new Date(module.registeredMs).toISOString()],
    ...(Object.keys(module.metadata).length === 0
      ? []
      : [['metadata', printable(JSON.stringify(module.metadata))]]),
    ...(described?.imports ?? []).map((each) => [
      'imports',
      printable(`${each.name} ${each.type}`),
    ]),
    ...(described?.exports ?? []).map((each) => [
      'exports',
      printable(`${each.name} ${each.type}`),
    ]),
    [
      'executions',
      [executions, ...Object.entries(outcomes).map(([name, count]) => `${name} ${count}`)].join(
        ', ',
      ),
    ],
    ...(executions === 0
      ? []
      : [['took', `mean ${times[0]}, p50 ${times[1]}, p95 ${times[2]}, max ${times[3]} ms`]]),
  ]);
}

/** What was said when it was registered. */
function admissionText({ decision, score, signer, proof }: Inspected['admission']): string {
  return [
    decision,
    ...(score === undefined ? [] : [`score ${score}`]),
    ...(signer === undefined ? [] : [`signed by ${printable(signer.name)}`]),
    ...(proof === undefined ? [] : [`proved (${proof.format})`]),
  ].join(', ');
}

function milliseconds(ms: number): string {
  return ms.toPrecision(3);
}

/** Names come from whoever wrote the module: nothing of them may steer a terminal. */
function printable(text: string): string {
  return text.replaceAll(/[\p{C}\u2028\u2029]/gu, '?');
}
