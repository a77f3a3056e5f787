/** An answer, before it is sent: so that it can be kept for whoever asks the same again. */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { Route } from '../../api/route.ts';

/** An answer with another status than the route's first, or headers of its own. */
export class Reply<T> {
  readonly value: T;
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    value: T,
    { status, headers = {} }: { status?: number; headers?: Readonly<Record<string, string>> },
  ) {
    this.value = value;
    this.status = status;
    this.headers = headers;
  }
}

/** JSON that was written already, for an answer that is always the same: who may ask costs no more than its bytes. */
export class Rendered {
  readonly text: string;
  readonly etag: string;

  constructor(value: unknown) {
    this.text = render(value);
    this.etag = etagOf(this.text);
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | Readable | undefined;
}

const JSON_TYPE = { 'content-type': 'application/json' } as const;

const first = new WeakMap<Route, number>();

export function firstStatus(route: Route): number {
  let status = first.get(route);
  if (status === undefined) {
    status = Number(Object.keys(route.answers)[0] ?? 200);
    first.set(route, status);
  }
  return status;
}

export function toAnswer(route: Route, answered: unknown): Answer {
  const own = answered instanceof Reply ? answered : undefined;
  const status = own?.status ?? firstStatus(route);
  const headers = own?.headers ?? {};
  const value = own === undefined ? answered : own.value;
  if (value === undefined) return { status, headers, body: undefined };
  if (value instanceof Rendered) {
    return { status, headers: { ...JSON_TYPE, etag: value.etag, ...headers }, body: value.text };
  }
  const content = route.answers[status]?.content;
  if (content !== undefined) {
    return {
      status,
      headers: { 'content-type': content, ...headers },
      body: value as Readable | string | Uint8Array,
    };
  }
  return { status, headers: { ...JSON_TYPE, ...headers }, body: render(value) };
}

/** What was read and has not changed since is not sent again (RFC 9110, 13.1.2). */
export function send(reply: FastifyReply, { method }: Route, answer: Answer): FastifyReply {
  const { status, headers, body } = answer;
  reply.code(status).headers(headers);
  if (method === 'GET' && status === 200 && typeof body === 'string') {
    const etag = headers.etag ?? etagOf(body);
    reply.header('etag', etag);
    if (isKnown(reply.request.headers['if-none-match'], etag)) return reply.code(304).send();
  }
  return reply.send(body);
}

/** A strong one: of exactly these bytes. */
export function etagOf(body: string): string {
  return `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
}

export function render(value: unknown): string {
  try {
    // Asked about each value, it takes several times as long.
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? each.toString() : each));
  }
}

/** Whether `If-None-Match` names it (RFC 9110, 13.1.2). */
export function isKnown(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  return header.split(',').some((each) => each.trim().replace(/^W\//, '') === etag);
}
