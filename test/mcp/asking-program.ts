/**
 * An agent in the small internet: starts `caisson mcp` there, is refused, asks, and tries again. Prints what it saw.
 *
 *   node asking-program.ts '{"args": [...], "answers": [...] | null}'
 */
import { type McpClient, startMcp } from './mcp-client.ts';

interface Task {
  readonly args: readonly string[];
  /** What its person says, one question after the other; null: it cannot ask. */
  readonly answers: readonly ('allow' | 'refuse' | 'decline' | 'cancel' | 'odd')[] | null;
  readonly steps: readonly Step[];
}

/** Fetches a URL in the kept sandbox, or asks for a host. */
export type Step =
  | { readonly fetch: string }
  | { readonly ask: string; readonly port?: number; readonly reason?: string };

export interface Seen {
  readonly questions: readonly string[];
  readonly steps: readonly StepSeen[];
}

export interface StepSeen {
  readonly text: string;
  readonly code?: number;
  readonly stdout?: string;
  readonly granted?: boolean;
  readonly by?: string;
  readonly next?: readonly string[];
}

const task = JSON.parse(process.argv[2] ?? '{}') as Task;
const questions: string[] = [];
const answers = [...(task.answers ?? [])];

await using mcp = await startMcp({
  args: task.args,
  cwd: process.cwd(),
  environment: process.env,
  ...(task.answers === null ? {} : { elicit }),
});
const sandbox = await mcp.open();
const steps: StepSeen[] = [];
for (const step of task.steps) steps.push(await take(mcp, step));
process.stdout.write(JSON.stringify({ questions, steps } satisfies Seen));

async function take(client: McpClient, step: Step): Promise<StepSeen> {
  if ('fetch' in step) {
    const argv = ['curl', '-sS', '-m', '5', step.fetch];
    const { text, structured } = await client.call('run_command', { sandbox, argv });
    const { exit_code: code, stdout, next } = structured;
    return { text, code, stdout: stdout.text, next };
  }
  const { ask: host, port = 80, reason = 'the page is needed' } = step;
  const { text, structured } = await client.call('request_network', {
    sandbox,
    host,
    port,
    reason,
  });
  return { text, granted: structured.granted, by: structured.decided_by, next: structured.next };
}

function elicit(message: string) {
  questions.push(message);
  const answer = answers.shift() ?? 'refuse';
  if (answer === 'decline' || answer === 'cancel') return { action: answer } as const;
  if (answer === 'odd') return { action: 'accept', content: { decision: 'ALLOW' } } as const;
  return { action: 'accept', content: { decision: answer } } as const;
}
