/**
 * One rule about requests as a person writes it: `GET /repos/**`, `GET,HEAD /docs`, `/graphql` (any method).
 *
 * A path without `**` at its end is that path alone; `/repos/**` is `/repos` and all below it. Case counts, the query
 * does not. HEAD does not come with GET.
 */
import { CaissonError } from '../core/error.ts';
import type { HttpRule } from './policy.ts';

/** @throws CaissonError `POLICY_INVALID` */
export function parseHttpRule(text: string): HttpRule {
  const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
  const match = /^(?:([^ /]+) )?(\/[^ ]*)$/.exec(text);
  if (!match) {
    throw invalid(
      `${shown} is not a rule for requests`,
      'write "GET /path/**", or "/path" for any method',
    );
  }
  const methods = match[1] === undefined ? [] : match[1].split(',');
  for (const method of methods) {
    if (!/^[A-Z][A-Z-]{0,31}$/.test(method)) {
      const upper = method.toUpperCase();
      throw invalid(
        `${JSON.stringify(method.slice(0, 40))} in ${shown} is not a method`,
        /^[A-Z-]+$/.test(upper) ? `did you mean ${upper}?` : 'write GET, POST, or GET,HEAD',
      );
    }
  }
  const written = match[2] ?? '/';
  const prefix = written.endsWith('/**');
  const stem = prefix ? written.slice(0, -3) : written;
  if (stem.includes('*')) {
    throw invalid(
      `${shown} has a * within its path`,
      'only /** at the end stands for more: /path/**',
    );
  }
  if (/[?#]/.test(stem)) {
    throw invalid(
      `${shown} holds a query`,
      'write the path alone; requests are told apart by method and path',
    );
  }
  const path = stem === '' ? '/' : requestPath(stem);
  if (path === undefined || (prefix && path !== '/' && path.endsWith('/'))) {
    throw invalid(
      `the path of ${shown} is ambiguous`,
      'write it without //, . and .. , \\ and ; and without an encoded slash',
    );
  }
  return { methods: [...new Set(methods)].sort(), path, prefix };
}

/** The text that {@link parseHttpRule} reads as this rule. */
export function formatHttpRule({ methods, path, prefix }: HttpRule): string {
  const written = encodeURI(path).replace(
    /[?#*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const tail = prefix ? `${written === '/' ? '' : written}/**` : written;
  return methods.length === 0 ? tail : `${methods.join(',')} ${tail}`;
}

/**
 * The path that a request's target (`/a%20b?x=1`) means, decoded once, without its query; nothing where two servers
 * could read it differently: dot segments, empty ones, an encoded slash, backslashes, a second layer of encoding,
 * control characters, what is not UTF-8, and targets that do not begin with a slash (`*`, `http://…`).
 */
export function requestPath(target: string): string | undefined {
  const raw = target.split(/[?#]/, 1)[0] ?? '';
  if (!raw.startsWith('/') || /%(2f|5c|00)/i.test(raw)) return undefined;
  let path: string;
  try {
    path = decodeURIComponent(raw);
  } catch {
    return undefined;
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f\\]|%[0-9a-f]{2}|\/\//i.test(path)) return undefined;
  // Some servers cut `;…` from a segment before they resolve dots (RFC 3986 section 3.3).
  const dots = path.split('/').some((part) => /^\.{1,2}$/.test(part.split(';', 1)[0] ?? ''));
  return dots ? undefined : path;
}

/** Whether a rule allows a request. `target` is as it stands in the request line or in `:path`. */
export function matchesRequest(
  rule: HttpRule,
  { method, target }: { readonly method: string; readonly target: string },
): boolean {
  if (rule.methods.length > 0 && !rule.methods.includes(method)) return false;
  if (rule.prefix && rule.path === '/' && target.startsWith('/')) return true;
  const path = requestPath(target);
  return path !== undefined && coversPath(rule, path);
}

/** The same for a path that is decoded already. */
export function coversPath(rule: HttpRule, path: string): boolean {
  if (!rule.prefix) return path === rule.path;
  return rule.path === '/' || path === rule.path || path.startsWith(`${rule.path}/`);
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('POLICY_INVALID', { layer: 'policy', message, hint });
}
