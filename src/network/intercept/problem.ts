/**
 * The answer to a request that was not let through: JSON that says which rule, why, and what to ask for, since the
 * reader is often a model (RFC 9457).
 */
export interface Problem {
  readonly status: number;
  readonly rule: string;
  readonly reason: string;
  readonly hint: string;
}

const titles: Readonly<Record<number, string>> = {
  400: 'The sandbox could not understand this request in one way',
  403: 'The policy of this sandbox does not allow this request',
  405: 'The sandbox does not let this method through',
  421: 'This connection is for another server',
  502: 'The server could not be reached safely',
};

export function problemBody({ status, rule, reason, hint }: Problem): string {
  const title = titles[status] ?? 'The sandbox did not let this request through';
  return `${JSON.stringify({ type: 'about:blank', title, status, detail: reason, rule, hint, by: 'caisson' }, null, 2)}\n`;
}

export const PROBLEM_TYPE = 'application/problem+json';
