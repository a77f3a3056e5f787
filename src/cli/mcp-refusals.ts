/** What stands in the way of every command of `caisson mcp`, told while whoever starts it still looks. */
import type { McpSetup } from '../mcp/mcp-setup.ts';
import { asCaissonError } from './report-error.ts';

/** Lines for stderr; none where commands can run. */
export async function whyCommandsAreRefused({
  caisson,
  places,
  accept,
}: Pick<McpSetup, 'caisson' | 'places' | 'accept'>): Promise<string> {
  try {
    const { policy, workspace } = places.place();
    const { unenforceable } = await caisson.explain(policy, {
      ...(workspace === undefined ? {} : { workspace }),
    });
    const missing = unenforceable.filter(
      ({ id, acceptable }) => acceptable === false || !accept.includes(id),
    );
    if (missing.length === 0) return '';
    const lines = [
      'every command will be refused: this host cannot enforce all of the policy; caisson doctor has the cures',
    ];
    const ids = unenforceable.map(({ id }) => id).join(',');
    if (missing.every(({ acceptable }) => acceptable !== false)) {
      lines.push(`to go on without them, add to its arguments: --accept ${ids}`);
    }
    const [first, ...rest] = lines.map((line) => `caisson: ${line}\n`);
    return [first, ...missing.map(({ id, reason }) => `  ${id}: ${reason}\n`), ...rest].join('');
  } catch (error) {
    const { message, hint } = asCaissonError(error);
    return `caisson: every command will be refused: ${message}\n${hint === undefined ? '' : `  ${hint}\n`}`;
  }
}
