/** Asks for a destination, for an open sandbox. */
import { z } from 'zod';
import { canonicalAllow } from '../../policy/canonical-rules.ts';
import { formatDestination } from '../../policy/destination.ts';
import { shownWord } from '../guest-text.ts';
import { tool } from '../tool.ts';
import { answerSchema, sandboxId } from '../tool-schemas.ts';

export const requestNetwork = tool({
  name: 'request_network',
  title: 'Ask for a network destination',
  description:
    'Asks that an open sandbox may connect to one host and port. A rule of the person decides, or the person is asked and may take minutes; the answer says who decided and why. Ask for what a command needs and was refused, one host at a time, and say plainly why. A refusal is final for this session.',
  input: z.strictObject({
    sandbox: sandboxId(),
    host: z
      .string()
      .min(1)
      .max(253)
      .describe('One host name, as in pypi.org; no scheme, path or wildcard.'),
    port: z.int().min(1).max(65_535).default(443).describe('TCP port; default 443.'),
    reason: z
      .string()
      .min(1)
      .max(1000)
      .describe('Why it is needed, for the person: they see it as your words.'),
  }),
  output: answerSchema({
    granted: z.boolean(),
    destination: z.string().describe('As it would be written in a policy.'),
    decided_by: z.enum(['policy', 'rule', 'person', 'nobody']),
    reason: z.string().describe('Why.'),
    next: z.array(z.string()).describe('What to do now.'),
  }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: true,
    openWorldHint: true,
  },
  call: async ({ sandbox, host, port, reason }, { session, person }) => {
    const kept = session.kept(sandbox);
    using _ = kept.use();
    const request = { host, port, reason };
    const decision = await session.network.decide(request, kept.network, person(sandbox));
    const destination = formatDestination(decision.rule);
    session.record(
      {
        kind: 'network',
        target: `${host}:${port}/tcp`,
        allowed: decision.granted,
        rule: `mcp.request:${decision.by}`,
        details: { kind: 'request', destination, why: decision.reason, asked: shownWord(reason) },
      },
      kept.sandbox.id,
    );
    if (decision.granted && decision.isKnown !== true) {
      await kept.changeNetwork((network) => ({
        ...network,
        allow: canonicalAllow([...network.allow, decision.rule]),
      }));
      if (!kept.granted.includes(destination)) kept.granted.push(destination);
    }
    const next = [nextOf(decision.granted, destination)];
    return {
      text: [
        `${decision.granted ? 'Granted' : 'Refused'}: ${destination} for ${sandbox}. Decided by ${decision.by}: ${decision.reason}.`,
        ...next.map((step) => `Next: ${step}`),
      ].join('\n'),
      structured: {
        granted: decision.granted,
        destination,
        decided_by: decision.by,
        reason: decision.reason,
        next,
      },
    };
  },
});

function nextOf(granted: boolean, destination: string): string {
  return granted
    ? `Run the command again: ${destination} can be reached until the sandbox is closed.`
    : 'Go on without it, or tell the person what it was for; do not look for another way there.';
}
