/**
 * What `npm start` shows: a real program over a real file, isolated; what enforced the isolation;
 * then hostile programs, each judged by its effect on the host and not by what it says.
 *
 *   npm start -- --level moderate     further flags go to every `caisson run`
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type HostileProgram, hostilePrograms } from './hostile-programs.ts';
import { countConnections } from './listening-victim.ts';

const repository = resolve(import.meta.dirname, '..');
const sales = join(repository, 'examples/sales');
const hostile = join(repository, 'examples/attempts');
const workspace = join(repository, 'build/start/workspace');
const victim = join(repository, 'build/start/victim');
const flags = process.argv.slice(2);

/** The part of `caisson … --json` that is shown here. */
interface RunReport {
  error?: { code: string; message: string; hint?: string };
  kind: string;
  code?: number;
  stdout: { text: string };
  stderr: { text: string };
  limitsHit: string[];
  timing?: { launchMs: number; runMs: number };
  wall: string;
}
interface ExplainReport {
  error?: RunReport['error'];
  wall: string;
  enforced: { clause: string; value: string; mechanisms: string[] }[];
}

rmSync(join(repository, 'build/start'), { recursive: true, force: true });
mkdirSync(workspace, { recursive: true });
mkdirSync(victim);

showSales();
await showHostile();

function showSales(): void {
  const read = ['--read', sales];
  const argv = ['python3', join(sales, 'report.py'), join(sales, 'sales.csv')];
  heading('python3 report.py sales.csv, isolated');
  const run = caisson<RunReport>('run', [...read, '--', ...argv]);
  if (run.kind !== 'exited' || run.code !== 0) {
    fail(`the program ended ${run.kind} ${run.code ?? ''}\n${run.stderr.text}`);
  }
  console.log(run.stdout.text);

  const explained = caisson<ExplainReport>('explain', read);
  heading(`what enforced it (wall: ${run.wall}${timing(run)})`);
  const width = Math.max(...explained.enforced.map(({ clause }) => clause.length));
  for (const { clause, value, mechanisms } of explained.enforced) {
    console.log(`${clause.padEnd(width)}  ${cut(value, 34).padEnd(34)}  ${mechanisms.join(' + ')}`);
  }
  console.log('');
}

async function showHostile(): Promise<void> {
  heading('hostile programs');
  let free = 0;
  await using listener = await countConnections();
  for (const program of hostilePrograms({ hostile, victim, port: listener.port })) {
    const args = ['--read', hostile, ...program.flags, '--', ...program.argv];
    const run = caisson<RunReport>('run', args, program.environment);
    const left = [
      ...readdirSync(victim),
      ...readdirSync(hostile).filter((n) => n === 'planted.txt'),
    ];
    const reached = left.length > 0 || (await listener.connections()) > 0;
    const stopped = !reached && isStopped(program, run);
    if (!stopped) free++;
    const verdict = stopped ? 'stopped    ' : 'NOT STOPPED';
    console.log(`${verdict}  ${program.tries.padEnd(44)}  ${whatHappened(run)}`);
  }
  if (free > 0) fail(`${free} hostile programs were not stopped`);
}

function isStopped(program: HostileProgram, run: RunReport): boolean {
  if (program.limit) return run.limitsHit.includes(program.limit);
  if (run.kind !== 'exited') return run.kind === 'denied' || run.kind === 'signaled';
  // 1 is the program's own "refused"; Python's 2 (no such file) or a traceback would prove nothing.
  return run.code === 1 && !run.stderr.text.includes('Traceback');
}

function whatHappened(run: RunReport): string {
  if (run.limitsHit.length > 0) return `${run.kind}; limit: ${run.limitsHit.join(', ')}`;
  const said = (run.stdout.text + run.stderr.text).trim().split('\n').at(-1) ?? '';
  return run.kind === 'exited' ? said : `${run.kind} ${said}`;
}

function caisson<Report extends { error?: RunReport['error'] }>(
  command: string,
  args: string[],
  environment: Record<string, string> = {},
): Report {
  const { stdout, stderr } = spawnSync(
    join(repository, 'bin/caisson'),
    [command, '--json', ...flags, ...args],
    { cwd: workspace, encoding: 'utf8', env: { ...process.env, ...environment } },
  );
  const report = parse<Report>(stdout);
  if (!report) fail(`caisson ${command} printed no JSON\n${stdout}${stderr}`);
  if (report.error) {
    const { code, message, hint } = report.error;
    fail(`caisson ${command}: ${message} (${code})${hint ? `\n${hint}` : ''}`);
  }
  return report;
}

function parse<Report>(text: string): Report | undefined {
  try {
    return JSON.parse(text) as Report;
  } catch {
    return undefined;
  }
}

function heading(text: string): void {
  console.log(`── ${text}\n`);
}

function timing({ timing }: RunReport): string {
  return timing ? `, launched in ${timing.launchMs.toFixed(1)} ms` : '';
}

function cut(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text;
}

function fail(message: string): never {
  console.error(`\nstart: ${message}`);
  process.exit(1);
}
