/**
 * Asks the person at the client, by elicitation. What the model says of itself is shown as its words, on one line.
 */
import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { RequestId } from '@modelcontextprotocol/sdk/types.js';
import { shownWord } from './guest-text.ts';
import type { AskPerson } from './network-requests.ts';

/** Silence for so long is a no. */
const ANSWER_MS = 5 * 60_000;
const REASON_SHOWN = 400;

/** @returns undefined where the client cannot ask */
export function elicitNetwork(
  server: Server,
  about: { readonly requestId: RequestId; readonly signal: AbortSignal; readonly sandbox: string },
): AskPerson | undefined {
  if (server.getClientCapabilities()?.elicitation?.form === undefined) return undefined;
  return async (destination, reason) => {
    const message = [
      `Code in ${about.sandbox} wants to connect to ${destination}.`,
      `What the model says of it, unchecked: "${shownWord(reason, REASON_SHOWN)}"`,
      'Allow it for as long as this sandbox is open?',
    ].join('\n');
    try {
      const { action, content } = await server.elicitInput(
        { message, requestedSchema },
        { signal: about.signal, timeout: ANSWER_MS, relatedRequestId: about.requestId },
      );
      if (action === 'cancel') return { kind: 'silent', why: 'the person did not decide' };
      const isYes = action === 'accept' && content?.decision === 'allow';
      return { kind: isYes ? 'allow' : 'refuse' };
    } catch (error) {
      // Another call may wait for the same answer.
      if (about.signal.aborted) return { kind: 'silent', why: 'the call that asked was cancelled' };
      const why = shownWord((error as Error).message, 200);
      return { kind: 'silent', why: `the person was asked, and no answer came: ${why}` };
    }
  };
}

const requestedSchema = {
  type: 'object' as const,
  properties: {
    decision: {
      type: 'string' as const,
      title: 'Decision',
      description: 'allow: for the life of this sandbox; refuse: not in this session',
      enum: ['refuse', 'allow'],
      default: 'refuse',
    },
  },
  required: ['decision'],
};
