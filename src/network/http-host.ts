/**
 * The name that the first request of a cleartext connection is for. It says which connection to make; whether every
 * request is really for that name is held by the strict parser behind (`intercept/check-request.ts`), so that reading
 * it otherwise than a server would is no way round.
 */
export type HostState =
  | { readonly kind: 'more' }
  /** `host` without its port, as it was sent; absent where the request has no Host. */
  | { readonly kind: 'host'; readonly host?: string }
  | { readonly kind: 'refused'; readonly reason: string };

/** As much as the parser behind takes. */
export const HEAD_MAX_BYTES = 65_536;

/** Where there is none, there is no end of the head. */
export const HEAD_END = /\n\r?\n/;

export function hostOfRequest(bytes: Buffer): HostState {
  const text = bytes.toString('latin1', 0, HEAD_MAX_BYTES + 1);
  const start = /[^\r\n]/.exec(text)?.index ?? 0;
  const end = /\r?\n\r?\n/.exec(text.slice(start))?.index;
  if (end === undefined) {
    if (text.length <= HEAD_MAX_BYTES) return { kind: 'more' };
    return { kind: 'refused', reason: 'the head of its request is over 64 KiB' };
  }
  const fields = text
    .slice(start, start + end)
    .split(/\r?\n/)
    .slice(1);
  const hosts = fields.filter((field) => /^host[ \t]*:/i.test(field));
  if (hosts.length > 1) return { kind: 'refused', reason: 'its request names two hosts' };
  const value = hosts[0]?.slice(hosts[0].indexOf(':') + 1).trim();
  if (value === undefined || value === '') return { kind: 'host' };
  return { kind: 'host', host: value.replace(/:\d{1,5}$/, '') };
}
