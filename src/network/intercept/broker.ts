/**
 * Marks in a request where values go, and says which placeholders went where they are not for.
 */
import type { Fields } from './headers.ts';
import type { InterceptDecision } from './interceptor.ts';
import type { SealedHead } from './sealed-head.ts';
import type { Secrets } from './secrets.ts';

export interface BrokeredRequest {
  readonly fields: Fields;
  /** Puts the values in when the header is written; absent: there are none in it. */
  readonly sealed?: SealedHead;
  readonly violations: readonly InterceptDecision[];
}

export interface Going {
  readonly fields: Fields;
  /** Path and query: nothing is put in there, since URLs end up in logs. */
  readonly target: string;
  readonly name: string;
  readonly port: number;
  readonly speaks: 'tls' | 'http';
}

export function brokerRequest(going: Going, secrets: Secrets): BrokeredRequest {
  const { name, speaks } = going;
  const head = secrets.newHead();
  let isSealed = false;
  const wrong = new Map<string, string>();
  const fields = going.fields.map(([header, value]) => {
    const brokered = secrets.intoHeader(value, speaks === 'tls' ? name : undefined, head);
    if (brokered.used.length > 0) isSealed = true;
    for (const secret of brokered.refused) wrong.set(secret, `the header ${header}`);
    return [header, brokered.text] as const;
  });
  for (const secret of secrets.mentioned(going.target)) {
    // In the URL of its own host it does no harm, and nothing is put in.
    if (!secrets.isFor(secret, name)) wrong.set(secret, 'the URL');
  }
  const violations = [...wrong].map(([secret, where]) => misused(going, secret, where));
  return { fields, ...(isSealed ? { sealed: head } : {}), violations };
}

function misused({ name, port, speaks }: Going, secret: string, where: string): InterceptDecision {
  const why = speaks === 'tls' ? `${name} is none of its hosts` : 'values are sent over TLS alone';
  return {
    target: `${name}:${port}/tcp`,
    allowed: false,
    rule: 'network.secrets',
    reason: `the placeholder of ${secret} was sent to ${name} in ${where}; the value was not put in: ${why}`,
    details: { secret, where, host: name },
  };
}
