/** `caisson apply [ID]`. What was applied whole is forgotten; a rest stays kept. */
import { relative, resolve } from 'node:path';
import type { ApplyProgress, Change } from '../../sandbox/changes.ts';
import type { Action } from '../command.ts';
import { changesOf, pendingOverlay } from '../pending-changes.ts';

type ApplyFlags = {
  readonly 'skip-protected': { readonly summary: string };
  readonly only: { readonly summary: string; readonly value: 'PATH'; readonly repeatable: true };
};

export const action: Action<ApplyFlags> = async ({ flags, json, positionals: [id] }) => {
  const overlay = pendingOverlay(id);
  const { workspace } = overlay.record;
  const changes = await changesOf(overlay);
  const only = flags.only?.map((path) => relative(workspace, resolve(workspace, path)));
  const options = {
    skipProtected: flags['skip-protected'] === true,
    ...(only === undefined ? {} : { only }),
  };
  const { applied, skipped } = await watched(json, (progress) => changes.apply(options, progress));
  const whole = only === undefined && !skipped.some(({ stays }) => stays);
  if (whole) await changes.discard();
  return {
    exit: 0,
    document: { id: overlay.id, workspace, applied, skipped, kept: !whole },
    text: applied.map(({ kind, path }) => `${kind} ${path}\n`).join(''),
    notes: [
      `${applied.length} changes applied to ${workspace}`,
      ...skipped.map((change) => `left out ${change.path}: ${whyLeftOut(change)}`),
      ...(whole ? [] : [`the rest is kept: caisson diff ${overlay.id}`]),
    ],
  };
};

/** Said at most every so often where nobody looks at it, such as in a log. */
const SAY_MS = 5000;

/** Tells on stderr how far it is, and lets Ctrl-C and others end it between two files; the second ends the program. */
async function watched<T>(
  json: boolean,
  work: (progress: ApplyProgress) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const onSignal = (): void => controller.abort();
  for (const signal of SIGNALS) process.once(signal, onSignal);
  const isTerminal = process.stderr.isTTY === true;
  let said = performance.now();
  let isShown = false;
  const onProgress = (done: number, total: number): void => {
    if (!isTerminal && performance.now() - said < SAY_MS) return;
    said = performance.now();
    const line = `caisson: ${done} of ${total} changes applied`;
    isShown = isTerminal;
    process.stderr.write(isTerminal ? `\r\x1b[K${line}` : `${line}\n`);
  };
  try {
    return await work({ signal: controller.signal, ...(json ? {} : { onProgress }) });
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
    if (isShown) process.stderr.write('\r\x1b[K');
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function whyLeftOut({ type, stays }: Change): string {
  if (type === 'special') return 'it is no file';
  return stays === true ? 'the policy does not name it under write' : 'protected';
}
