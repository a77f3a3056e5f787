/** Which calls of tools a message of a client holds, by their ids. */

import { CallToolRequestSchema, type RequestId } from '@modelcontextprotocol/sdk/types.js';
import { safeParse } from '../../core/safe-parse.ts';

/** @param body one message, or several, as the protocol of earlier versions has it */
export function callsIn(body: unknown): RequestId[] {
  return [body].flat().flatMap((message: unknown) => {
    if (!safeParse(CallToolRequestSchema, message).success) return [];
    const { id } = message as { readonly id?: unknown };
    return typeof id === 'string' || typeof id === 'number' ? [id] : [];
  });
}
