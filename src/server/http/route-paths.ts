/** Every path that is served: so that what is not there can be told from what cannot be done to it. */
import type { FastifyRequest } from 'fastify';
import type { Route } from '../../api/route.ts';
import { CaissonError } from '../../core/error.ts';

export class RoutePaths {
  readonly #routes: { readonly pattern: RegExp; readonly method: string }[] = [];

  add(route: Route | undefined): void {
    if (route === undefined) return;
    const parts = route.path
      .split('/')
      .map((part) => (part.startsWith('{') ? '[^/]+' : quote(part)));
    this.#routes.push({ pattern: new RegExp(`^${parts.join('/')}$`), method: route.method });
  }

  /** @returns NOT_FOUND, or METHOD_NOT_ALLOWED where another method would do */
  refuse({ method, url }: Pick<FastifyRequest, 'method' | 'url'>): CaissonError {
    const path = url.split('?', 1)[0] ?? '';
    const methods = this.#routes
      .filter(({ pattern }) => pattern.test(path))
      .map((each) => each.method);
    if (methods.length === 0) {
      return new CaissonError('NOT_FOUND', {
        layer: 'server',
        message: 'nothing is served there',
        hint: 'every path is in /openapi.json',
      });
    }
    return new CaissonError('METHOD_NOT_ALLOWED', {
      layer: 'server',
      message: `${method} is not what can be done there`,
      hint: `it takes ${methods.join(', ')}`,
      details: { allow: methods },
    });
  }
}

function quote(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
