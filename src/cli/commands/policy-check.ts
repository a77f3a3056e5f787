/** `caisson policy check FILE…`. */
import { isCaissonError } from '../../core/error.ts';
import type { Action } from '../command.ts';
import { policyOf } from '../policy-request.ts';
import { exitCodeOfError } from '../report-error.ts';

export const action: Action = async ({ positionals }) => {
  const { digestPolicy } = await import('../../policy/digest.ts');
  let exit = 0;
  const rows = [];
  for (const file of positionals) {
    try {
      const policy = await policyOf({ document: {}, file });
      const { name, level } = policy;
      rows.push({ file, valid: true, name, level, digest: digestPolicy(policy) });
    } catch (error) {
      if (!isCaissonError(error)) throw error;
      exit ||= exitCodeOfError(error);
      rows.push({ file, valid: false, error });
    }
  }
  const lines = rows.map((row) =>
    row.error === undefined
      ? `${row.file}: valid; ${row.name}, level ${row.level}, ${row.digest}`
      : `${row.file}: ${row.error.message}${row.error.hint === undefined ? '' : `\n  ${row.error.hint}`}`,
  );
  return { exit, document: { policies: rows }, text: `${lines.join('\n')}\n` };
};
