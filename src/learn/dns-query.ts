/** The name that a DNS query asks for. */
import { decode } from 'dns-packet';

/** Types that lead to an address: A, AAAA, HTTPS, SVCB, and CNAME on the way. */
const ADDRESS_TYPES = new Set(['A', 'AAAA', 'HTTPS', 'SVCB', 'CNAME', 'UNKNOWN_64', 'UNKNOWN_65']);

/** Lower case, without a closing dot; undefined for what is no query, or asks for something else. */
export function queriedName(packet: Uint8Array): string | undefined {
  try {
    const { type, questions } = decode(Buffer.from(packet));
    const [question] = questions ?? [];
    if (type !== 'query' || question === undefined) return undefined;
    if (!ADDRESS_TYPES.has(question.type)) return undefined;
    const name = question.name.toLowerCase().replace(/\.$/, '');
    return /^[a-z0-9_.-]{1,253}$/.test(name) ? name : undefined;
  } catch {
    return undefined;
  }
}
