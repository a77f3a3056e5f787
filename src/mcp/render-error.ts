/**
 * What went wrong on our side, as a model reads it: code, what happened, what cures it, and what to do next.
 */
import { CaissonError, isCaissonError } from '../core/error.ts';
import { shownText, shownWord, visible } from './guest-text.ts';
import { nextAfterError } from './next-steps.ts';
import type { ToolAnswer } from './tool.ts';

const MESSAGE_SHOWN = 2048;

/** Anything else than a CaissonError is a fault of ours, of which a model is told no more. */
export function errorOf(error: unknown): CaissonError {
  if (isCaissonError(error)) return error;
  return new CaissonError('INTERNAL', {
    layer: 'mcp',
    message: 'a fault in Caisson itself; what it was stands on the server’s stderr',
    hint: 'tell the person',
    cause: error,
  });
}

export function renderError(error: CaissonError): ToolAnswer {
  const { code, layer, details } = error;
  const message = shownText(error.message, MESSAGE_SHOWN).text;
  const hint = error.hint === undefined ? undefined : visible(error.hint.slice(0, MESSAGE_SHOWN));
  const cause = causeOf(error);
  const next = nextAfterError(code, details);
  const lines = [
    `Refused or failed: ${code} (${layer}).`,
    message,
    ...(cause === undefined ? [] : [`Cause: ${cause}`]),
    ...(hint === undefined ? [] : [`Hint: ${hint}`]),
    ...next.map((step) => `Next: ${step}`),
  ];
  return {
    text: lines.join('\n'),
    structured: {
      error: {
        code,
        layer,
        message,
        ...(hint === undefined ? {} : { hint }),
        ...(cause === undefined ? {} : { cause }),
        ...(next.length === 0 ? {} : { next }),
      },
    },
  };
}

function causeOf({ code, cause, message }: CaissonError): string | undefined {
  if (code === 'INTERNAL' || !(cause instanceof Error) || message.includes(cause.message)) {
    return undefined;
  }
  return shownWord(cause.message);
}
