/** `caisson kill`: ends sandboxes of this user's managers, in whatever process they are. */
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CaissonError } from '../../core/error.ts';
import { identityOf, livenessOf, type ProcessIdentity } from '../../host/process-identity.ts';
import { defaultStateDirectory } from '../../sandbox/state-directory.ts';
import type { ManagedRecord, ManagedStore } from '../../store/managed-record.ts';
import { SqliteManagedStore } from '../../store/sqlite-managed-store.ts';
import type { Action } from '../command.ts';

/** So long for a manager to write down which process it is, and for its end. */
const WAIT_MS = 5000;
const LOOK_EVERY_MS = 50;

export const action: Action = async ({ positionals }) => {
  const state = defaultStateDirectory();
  if (statSync(SqliteManagedStore.fileIn(state), { throwIfNoEntry: false }) === undefined) {
    throw unknown(positionals[0] ?? '');
  }
  const store = SqliteManagedStore.open(state, true);
  try {
    // All are looked up before one is touched.
    for (const id of positionals) await find(store, id);
    const killed: ManagedRecord[] = [];
    for (const id of new Set(positionals)) killed.push(await kill(store, id));
    return {
      exit: 0,
      document: { killed: killed.map(({ id, state: became }) => ({ id, state: became })) },
      text: killed.map(({ id }) => `${id}\n`).join(''),
    };
  } finally {
    await store.close();
  }
};

/** Its manager sees that its first process was killed, and with that the kernel ends everything in it. */
async function kill(store: ManagedStore, id: string): Promise<ManagedRecord> {
  let record = await find(store, id);
  const until = performance.now() + WAIT_MS;
  let isSignalled = false;
  while (record.endedMonotonicMs === undefined) {
    const { process: init } = record;
    if (!isSignalled && init !== undefined) {
      signal(init);
      isSignalled = true;
    }
    if (performance.now() > until) throw stillThere(id, isSignalled);
    await sleep(LOOK_EVERY_MS);
    const now = await lookUp(store, id);
    // A manager that was closed meanwhile is forgotten with everything of it.
    if (now === undefined) return record;
    record = now;
  }
  return record;
}

/** @throws REQUEST_INVALID where it is not ours to end */
function signal({ pid, startTime }: ProcessIdentity): void {
  if (identityOf(pid)?.startTime !== startTime) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return;
    throw refused(`the process ${pid} cannot be killed: ${code}`, 'do it as its user');
  }
}

/** One that lives, and whose processes mean something here. @throws NOT_FOUND, REQUEST_INVALID */
async function find(store: ManagedStore, id: string): Promise<ManagedRecord> {
  const record = await lookUp(store, id);
  if (record === undefined) throw unknown(id);
  if (record.endedMonotonicMs !== undefined) {
    throw refused(`${id} has ended: ${record.state}`, 'caisson ps lists those that are there');
  }
  const manager = (await store.managers()).find((each) => each.id === record.manager);
  const lives = manager === undefined ? 'gone' : livenessOf(manager.process, manager);
  if (lives === 'gone') {
    throw refused(`${id} went with its manager, which died`, 'there is nothing left to kill');
  }
  if (lives === 'unknown') {
    throw refused(
      `${id} runs in another container`,
      'kill it there: the numbers of its processes mean others here',
    );
  }
  return record;
}

async function lookUp(store: ManagedStore, id: string): Promise<ManagedRecord | undefined> {
  return (await store.list()).find((record) => record.id === id);
}

function unknown(id: string): CaissonError {
  return new CaissonError('NOT_FOUND', {
    layer: 'cli',
    message: `there is no sandbox ${JSON.stringify(id.slice(0, 64))} of a manager of this user`,
    hint: 'caisson ps lists their ids',
  });
}

function refused(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint });
}

function stillThere(id: string, isSignalled: boolean): CaissonError {
  return new CaissonError(isSignalled ? 'INTERNAL' : 'REQUEST_INVALID', {
    layer: 'cli',
    message: isSignalled
      ? `${id} was killed, and its manager has not said so within ${WAIT_MS / 1000} s`
      : `${id} waits for room or is being made: its manager has not said which process it is`,
    hint: isSignalled ? 'caisson top shows whether it runs' : 'try again when it runs',
  });
}
