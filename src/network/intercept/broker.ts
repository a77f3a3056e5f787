/**
 * Puts secrets into a request and takes them out of its answer; says which placeholders went where they are not for.
 */
import type { Fields } from './headers.ts';
import type { InterceptDecision } from './interceptor.ts';
import type { Secrets } from './secrets.ts';

export interface BrokeredRequest {
  readonly fields: Fields;
  /** Names of the secrets whose values are in it now. */
  readonly used: readonly string[];
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

/** Fields that frame the answer; a value that happens to be their number must not break it. */
const FRAMING = new Set(['content-length', 'content-range', 'content-encoding']);

export function brokerRequest(going: Going, secrets: Secrets): BrokeredRequest {
  const { name, speaks } = going;
  const used = new Set<string>();
  const wrong = new Map<string, string>();
  const fields = going.fields.map(([header, value]) => {
    const brokered = secrets.intoHeader(value, speaks === 'tls' ? name : undefined);
    for (const secret of brokered.used) used.add(secret);
    for (const secret of brokered.refused) wrong.set(secret, `the header ${header}`);
    return [header, brokered.text] as const;
  });
  for (const secret of secrets.mentioned(going.target)) {
    // In the URL of its own host it does no harm, and nothing is put in.
    if (!secrets.isFor(secret, name)) wrong.set(secret, 'the URL');
  }
  const violations = [...wrong].map(([secret, where]) => misused(going, secret, where));
  return { fields, used: [...used], violations };
}

export function brokerAnswer(fields: Fields, secrets: Secrets): Fields {
  return fields.map(([name, value]) =>
    FRAMING.has(name.toLowerCase()) ? [name, value] : [name, secrets.outOfHeader(value)],
  );
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
