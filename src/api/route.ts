/**
 * One route of the service, said once: from it come what the server accepts, what the client sends, the OpenAPI
 * document, and what is tested of every route.
 */
import type * as z from 'zod/mini';
import type { ErrorCode } from '../core/error.ts';
import type { Scope } from './scope.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** A body that is no JSON: taken as it comes, within a limit. */
export interface Bytes {
  readonly bytes: string;
  readonly description: string;
}

/** What it answers when it went well. */
export interface Answer {
  readonly description: string;
  /** Of JSON. Absent: no body, or `content`. */
  readonly schema?: z.ZodMiniType;
  /** Media type of a body that is no JSON. */
  readonly content?: string;
}

type Fields = z.ZodMiniType<Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>>;

export interface Route {
  /** Name of it in the OpenAPI document (operationId) and in the client, camelCase. */
  readonly id: string;
  readonly method: Method;
  /** As OpenAPI writes it: `/api/sandboxes/{id}`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** What a caller needs; `public`: nobody is asked who they are. */
  readonly scope: Scope | 'public';
  /** One text each, none empty. */
  readonly params?: Fields;
  readonly query?: Fields;
  readonly body?: z.ZodMiniType | Bytes;
  /** The body may be left out. */
  readonly bodyOptional?: true;
  /** By status; a handler answers the first unless it says otherwise. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** Codes beside those that every route may answer with. */
  readonly errors?: readonly ErrorCode[];
  /** With an `Idempotency-Key`, it is done once. */
  readonly idempotent?: true;
  /** May last: what keeps the connection alive is sent meanwhile. docs/service.md, "Long calls". */
  readonly long?: true;
  /** Something of the caller’s is run, made, copied or looked through: counted as an execution on top of a request. */
  readonly executes?: true;
  /** A WebSocket: the method is GET, and the answer is 101. */
  readonly socket?: true;
}

/** Keeps the types of its schemas. */
export function defineRoute<const R extends Route>(route: R): R {
  return route;
}

type Output<T> = T extends z.ZodMiniType ? z.output<T> : undefined;
type Input<T> = T extends z.ZodMiniType ? z.input<T> : undefined;
type Field<R extends Route, Name extends keyof Route> = Name extends keyof R ? R[Name] : undefined;

export type ParamsOf<R extends Route> = Output<Field<R, 'params'>>;
export type QueryOf<R extends Route> = Output<Field<R, 'query'>>;
export type BodyOf<R extends Route> =
  Field<R, 'body'> extends Bytes
    ? NodeJS.ReadableStream
    : R extends { readonly bodyOptional: true }
      ? Output<Field<R, 'body'>> | undefined
      : Output<Field<R, 'body'>>;
/** As a caller writes it. */
export type BodyInputOf<R extends Route> = Input<Field<R, 'body'>>;
export type QueryInputOf<R extends Route> = Input<Field<R, 'query'>>;

type Values<T> = T[keyof T];
/** The document that it answers with. */
export type ValueOf<R extends Route> = Values<{
  [S in keyof R['answers']]: R['answers'][S] extends { readonly schema: infer Z }
    ? Z extends z.ZodMiniType
      ? z.input<Z>
      : never
    : undefined;
}>;

export function isBytes(body: Route['body']): body is Bytes {
  return body !== undefined && 'bytes' in body;
}

/** The names between braces, in order. */
export function parameterNames(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
}

/** The path of a request, with its parameters put in. */
export function pathOf(path: string, params: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
}
