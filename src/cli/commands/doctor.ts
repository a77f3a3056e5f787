/** `caisson doctor`. Exit code 69 where the process wall is not ready. */
import { Caisson } from '../../compose.ts';
import { errorCodes } from '../../core/error.ts';
import type { Action } from '../command.ts';

export const action: Action = async () => {
  await using caisson = await Caisson.open();
  const diagnosis = await caisson.doctor();
  const facts = await caisson.facts();
  const rows = diagnosis.findings.flatMap(({ of, state, detail, cause, cure }) => [
    `${state.padEnd(8)}${of}: ${detail}`,
    ...(cause === undefined ? [] : [`        because ${cause}`]),
    ...(cure === undefined ? [] : [`        cure: ${cure}`]),
  ]);
  const walls = diagnosis.walls.flatMap(({ wall, ready, reason, cure }) => [
    `${(ready ? 'ready' : 'not').padEnd(8)}${wall}: ${reason}`,
    ...(cure === undefined ? [] : [`        cure: ${cure}`]),
  ]);
  const ready = diagnosis.walls.some(({ wall, ready }) => wall === 'process' && ready);
  return {
    exit: ready ? 0 : errorCodes.WALL_UNAVAILABLE.exit,
    document: { ready, ...diagnosis, facts },
    text: `Linux ${facts.kernel}, ${facts.arch}, user ${facts.euid}\n\n${[...rows, '', 'Walls', ...walls].join('\n')}\n`,
  };
};
