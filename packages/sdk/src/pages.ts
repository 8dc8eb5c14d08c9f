/** One page of a list. `next` is what to give as `after` for the page behind it; null on the last. */
export interface Page<Item> {
  /** In the order of the list. */
  readonly items: Item[];
  /** Null on the last page. */
  readonly next: string | null;
}

/** Every item of every page, in order; asks for a page when the one before is used up. */
export async function* eachItem<Item>(
  fetchPage: (after: string | undefined) => Promise<Page<Item>>,
): AsyncGenerator<Item, void, undefined> {
  let after: string | undefined;
  do {
    const page = await fetchPage(after);
    yield* page.items;
    after = page.next ?? undefined;
  } while (after !== undefined);
}
