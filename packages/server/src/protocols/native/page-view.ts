/** Of a page where nothing else is asked for. */
export const PAGE_ITEMS = 100;

/** What a page is asked for by, from its query. */
export function pageInput(query: { readonly limit?: number; readonly after?: string }) {
  return { limit: query.limit ?? PAGE_ITEMS, after: query.after };
}

/** A page in the words of the API. */
export function pageView<Item, View>(
  page: { readonly items: readonly Item[]; readonly next: string | undefined },
  viewOf: (item: Item) => View,
): { items: View[]; next: string | null } {
  return { items: page.items.map(viewOf), next: page.next ?? null };
}
