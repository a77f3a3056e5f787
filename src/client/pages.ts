/** Lists of a service, page after page. */
import type { Route, ValueOf } from '../api/route.ts';
import type { AskOptions, Transport } from './transport.ts';

const PAGE = 1000;

interface Page {
  readonly items: readonly unknown[];
  readonly next?: string | undefined;
}
type ItemOf<R extends Route> =
  ValueOf<R> extends { readonly items: readonly (infer T)[] } ? T : never;

/** One after the other; the next page is asked for when somebody wants more. @param by what a page begins behind */
export async function* eachOf<R extends Route>(
  transport: Transport,
  route: R,
  options: AskOptions<R> = {},
  by: 'after' | 'before' = 'after',
): AsyncGenerator<ItemOf<R>> {
  let from: string | undefined;
  do {
    const query = { limit: PAGE, ...options.query, ...(from === undefined ? {} : { [by]: from }) };
    const page = (await transport.ask(route, {
      ...options,
      query: query as AskOptions<R>['query'],
    } as AskOptions<R>)) as unknown as Page;
    yield* page.items as ItemOf<R>[];
    // A page that leads nowhere further would be asked for without end.
    if (page.next === from || page.items.length === 0) return;
    from = page.next;
  } while (from !== undefined);
}

/** All of it. */
export async function pagesOf<R extends Route>(
  transport: Transport,
  route: R,
  options: AskOptions<R> = {},
  by?: 'after' | 'before',
): Promise<ItemOf<R>[]> {
  return await Array.fromAsync(eachOf(transport, route, options, by));
}
