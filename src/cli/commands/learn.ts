/** `caisson learn`. Exit code: the command's own, so that a build that fails is seen to. */
import { statSync, writeFileSync } from 'node:fs';
import { constants, homedir } from 'node:os';
import { Caisson } from '../../compose.ts';
import { CaissonError } from '../../core/error.ts';
import { locateLauncher } from '../../launcher/locate.ts';
import { type Learned, learn } from '../../learn/learn.ts';
import { renderUnused, tighten } from '../../learn/tighten.ts';
import { writePolicy } from '../../learn/write-policy.ts';
import type { Policy } from '../../policy/policy.ts';
import type { Action, Report } from '../command.ts';
import type { learnFlags } from '../flags.ts';
import { policyOf, workspaceOf } from '../policy-request.ts';
import { quoteForShell } from '../report-error.ts';

export const action: Action<typeof learnFlags> = async ({ flags, argv, json }) => {
  const { out, tighten: against } = flags;
  if (out !== undefined) refuseExisting(out);
  const policy =
    against === undefined ? undefined : await policyOf({ document: {}, file: against });
  const workspace = workspaceOf(flags.workspace === undefined ? {} : flags) ?? process.cwd();
  if (!json) {
    process.stderr.write(
      'caisson: learn runs the command WITHOUT isolation, with all your rights; do this with code that you trust\n',
    );
  }
  const learned = await learn(argv, {
    program: locateLauncher().path,
    workspace,
    cwd: process.cwd(),
    home: homedir(),
    environment: process.env,
    etc: await etcOf(),
    // Where the policy is what stdout is for, the command's own output goes beside it.
    stdout: json || (out === undefined && policy === undefined) ? 'stderr' : 'stdout',
  });
  const exit = exitOf(learned.end.status);
  return policy === undefined
    ? asPolicy(learned, argv, exit, out)
    : asFindings(learned, policy, exit);
};

function asPolicy(
  { policy, end }: Learned,
  argv: readonly string[],
  exit: number,
  out: string | undefined,
): Report {
  const words = argv.map(quoteForShell);
  const text = writePolicy(policy, words);
  const document = { policy: policy.document, notes: policy.notes, usage: end, text };
  if (out === undefined) return { exit, document, text };
  writeFileSync(out, text, { flag: 'wx' });
  return {
    exit,
    document: { ...document, file: out },
    notes: [
      ...policy.notes,
      `wrote ${out}; read it, then: caisson run --policy ${out} -- ${words.join(' ')}`,
    ],
  };
}

function asFindings({ policy: learned, end }: Learned, policy: Policy, exit: number): Report {
  const unused = tighten(policy, learned);
  return {
    exit,
    document: { policy: policy.name, unused, notes: learned.notes, usage: end },
    text: renderUnused(unused),
    notes: learned.notes,
  };
}

/** What of /etc every sandbox on this host has. */
async function etcOf(): Promise<string[]> {
  await using caisson = await Caisson.open();
  const { etc } = await caisson.facts();
  return [...etc.binds, ...(etc.files ?? []).map(({ path }) => path), '/etc/localtime'];
}

/** Before the command runs: it may take long, and nothing is written over. */
function refuseExisting(out: string): void {
  if (statSync(out, { throwIfNoEntry: false }) === undefined) return;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'cli',
    message: `${out} exists already`,
    hint: 'name another file, or remove it first; nothing was run',
  });
}

/** As a shell tells a wait status. */
function exitOf(status: number): number {
  const signal = status & 0x7f;
  return signal === 0 ? (status >> 8) & 0xff : 128 + Math.min(signal, constants.signals.SIGSYS);
}
