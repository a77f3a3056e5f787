/**
 * A manager under load, to be killed: runs, sandboxes that stay with pending changes, filtered networks with and without
 * interception, shells, published ports, an audit log. Started by `scripts/kill-soak.ts` with an IPC channel.
 *
 * Arguments: the directory for everything, how many things go on at once, the name server. It says `ready` with what it
 * recovered, then counts; told `stop`, it does what it never did, waits for what is on its way, and closes.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isCaissonError } from '../../src/core/error.ts';
import { AuditLog, Caisson, type Outcome, type PolicyInput } from '../../src/index.ts';

export type FromManager =
  | { readonly type: 'ready'; readonly recovered: number; readonly left: readonly string[] }
  | {
      readonly type: 'counts';
      readonly counts: Readonly<Record<string, number>>;
      /** What does not say itself that the launcher or the proxy went. */
      readonly wrong: readonly Wrong[];
    };

export interface Wrong {
  readonly what: string;
  /** By the kill of any process just before: of its sandbox, or one that makes sandboxes. */
  readonly isExplained: boolean;
}

const HUNG_MS = 120_000;
const [directory = '', atOnce = '0', nameServer = ''] = process.argv.slice(2);
const limits = { memory: '64MiB', timeout: '30s' } as const;
const strict = { version: 1, level: 'strict', limits } as const;
const network = { mode: 'filtered', allow: ['one.test', 'three.test:80'] } as const;
const secrets = { API_TOKEN: { hosts: ['one.test'] } };
const policies = {
  plain: { ...strict, name: 'plain' },
  overlaid: {
    ...strict,
    name: 'overlaid',
    filesystem: { write: ['$workspace'], workspace: 'overlay' },
  },
  filtered: { ...strict, name: 'filtered', network },
  intercepted: {
    ...strict,
    name: 'intercepted',
    network: { ...network, intercept: true, secrets },
  },
  published: { ...strict, name: 'published', network: { mode: 'none', listen: [8080] } },
} satisfies Record<string, PolicyInput>;
const workspace = join(directory, 'workspace');

const audit = await AuditLog.open({
  directory: join(directory, 'audit'),
  fsync: 'interval',
  rotate: { bytes: 2 ** 30 },
});
const caisson = await Caisson.open({
  stateDirectory: join(directory, 'state'),
  nameServers: [nameServer],
  environment: { ...process.env, API_TOKEN: 'tk-of-the-soak' },
  audit,
});
const manager = await caisson.manager({
  pool: { concurrency: Math.max(1, Number(atOnce)), memoryBytes: null },
  warmSlots: Number(atOnce) === 0 ? 0 : 4,
});
const { sandboxes, left } = manager.recovered;
say({ type: 'ready', recovered: sandboxes.length, left });

const counts: Record<string, number> = {};
const wrong: Wrong[] = [];
let stopped = false;

/** Each comes to its end or throws; whatever it opened is closed by then. */
const WORK: Readonly<Record<string, () => Promise<void>>> = {
  run: async () => {
    need(
      await manager.run(['sh', '-c', 'echo on >/tmp/f; sleep 0.05'], { policy: policies.plain }),
    );
  },
  'long run': async () => {
    need(await manager.run(['sleep', String(Math.random())], { policy: policies.plain }));
  },
  spawned: async () => {
    const guest = await caisson.spawn(['sh', '-c', 'cat; seq 20000'], { policy: policies.plain });
    guest.stdin.end('line\n');
    let bytes = 0;
    for await (const { data } of guest) bytes += data.length;
    const outcome = await guest.outcome;
    need(outcome);
    if (bytes < 100_000) throw new Error(`${bytes} bytes of output`);
  },
  'run with changes': async () => {
    await using sandbox = await manager.create({ policy: policies.overlaid, workspace });
    need(await sandbox.exec(['sh', '-c', 'date >made; mkdir -p deep/er; date >deep/er/f']));
    const { isEmpty } = await sandbox.changes();
    if (isEmpty) throw new Error('no changes are seen');
  },
  'kept sandbox': async () => {
    await using sandbox = await manager.create({ policy: policies.overlaid, workspace });
    await sandbox.files.write('note.txt', 'hello');
    if ((await sandbox.files.readText('note.txt')) !== 'hello') throw new Error('another text');
    await using shell = sandbox.shell();
    const { stdout } = await shell.run('cat note.txt');
    if (stdout.text !== 'hello') throw new Error(`the shell read ${stdout.text}`);
    if (Math.random() < 0.3) {
      await sandbox.pause();
      await sleep(50);
      await sandbox.resume();
    }
    need(await sandbox.exec(['sh', '-c', '(sleep 100 &) ; sleep 0.1']));
  },
  'filtered run': async () => {
    const argv = ['curl', '-sS', '--max-time', '10', 'http://three.test/x'];
    need(await manager.run(argv, { policy: policies.filtered }), 'this is three.test/x\n');
  },
  'filtered sandbox': async () => {
    await using sandbox = await manager.create({ policy: policies.filtered });
    need(await sandbox.exec(['curl', '-sS', '--max-time', '10', 'https://one.test/y', '-k']));
    // Refused, and told of.
    await sandbox.exec(['curl', '-sS', '--max-time', '2', 'http://two.test/']);
  },
  'intercepted run': async () => {
    const command =
      'curl -sS --max-time 10 -H "Authorization: Bearer $API_TOKEN" https://one.test/z';
    const policy = policies.intercepted;
    need(await manager.run(['sh', '-c', command], { policy }), 'this is one.test/z\n');
  },
  'published port': async () => {
    await using sandbox = await caisson.create({
      policy: policies.published,
      publish: { 8080: 0 },
    });
    need(await sandbox.exec(['sleep', '0.1']));
  },
};

function need({ kind, code, stderr, stdout, violations }: Outcome, text?: string): void {
  const isAsAsked = kind === 'exited' && code === 0 && (text === undefined || stdout.text === text);
  if (isAsAsked) return;
  // curl, where its proxy died under it; the outcome says so.
  const lostProxy = violations.some(({ rule, reason = '' }) => {
    return rule === 'network' || /proxy/.test(reason);
  });
  const how = `${kind} ${code} ${stdout.text.slice(0, 200)}${stderr.text.slice(0, 200)}`;
  throw new Error(`${lostProxy ? 'PROXY_LOST' : 'OUTCOME'} ${how}`);
}

const kinds = Object.entries(WORK);
/** Each kind is done once, however soon the stop: what any of them leaves for good is there from then on. */
const due = [...kinds];

async function worker(): Promise<void> {
  while (due.length > 0 || !stopped) {
    const [kind, work] =
      due.pop() ?? (kinds[Math.floor(Math.random() * kinds.length)] as (typeof kinds)[number]);
    let timer: NodeJS.Timeout | undefined;
    const hung = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('HUNG')), HUNG_MS);
    });
    try {
      await Promise.race([work(), hung]);
      count(`done: ${kind}`);
    } catch (error) {
      failed(kind, error as Error);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Says which process went. */
const EXPECTED = ['LAUNCHER_GONE', 'NETWORK_GONE'];
/** What a kill shortly before makes of others: a nursery that went; a sandbox that closed itself since its init or launcher did. */
const BY_A_KILL = ['LAUNCHER_FAILED', 'SANDBOX_CLOSED', 'REQUEST_INVALID'];

function failed(kind: string, error: Error): void {
  const code = isCaissonError(error) ? error.code : (error.message.split(' ')[0] ?? '');
  count(`failed: ${kind}: ${code}`);
  if (EXPECTED.includes(code) || code === 'PROXY_LOST') return;
  const isExplained = isCaissonError(error) ? BY_A_KILL.includes(code) : code !== 'HUNG';
  if (wrong.length < 20) wrong.push({ what: `${kind}: ${error.stack}`, isExplained });
}

function count(name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

function tell(): void {
  say({ type: 'counts', counts: { ...counts }, wrong: wrong.splice(0) });
  for (const name of Object.keys(counts)) delete counts[name];
}

function say(message: FromManager): void {
  if (process.connected) process.send?.(message);
}

const unexpected = (error: unknown): void => {
  const what = `nobody waited for it: ${(error as Error)?.stack ?? error}`;
  wrong.push({ what, isExplained: false });
};
process.on('unhandledRejection', unexpected);
process.on('uncaughtException', unexpected);
process.on('message', () => {
  stopped = true;
});
const onOrphaned = (): void => process.exit(1);
process.on('disconnect', onOrphaned);
const ticker = setInterval(tell, 250);
await Promise.all(Array.from({ length: Number(atOnce) }, worker));
clearInterval(ticker);
await manager.close();
await caisson.close();
await audit.close();
tell();
process.off('disconnect', onOrphaned);
process.disconnect();
