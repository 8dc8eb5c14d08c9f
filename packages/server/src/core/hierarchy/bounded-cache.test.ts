import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BoundedCache } from "./bounded-cache.ts";

/** A value that knows whether it may still be used. */
interface Handle {
  readonly key: string;
  released: number;
}

function handles() {
  const made: Handle[] = [];
  const load = (key: string) => (): Promise<Handle> => {
    const handle = { key, released: 0 };
    made.push(handle);
    return Promise.resolve(handle);
  };
  return { made, load, release: (handle: Handle) => void (handle.released += 1) };
}

function gate(): { readonly open: () => void; readonly passed: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: resolve, passed: promise };
}

const same = <Value>(value: Value): Promise<Value> => Promise.resolve(value);

describe("a bounded cache", () => {
  test("loads once for those who miss at the same time", async () => {
    const { made, load, release } = handles();
    const cache = new BoundedCache<Handle>(4, release);
    const got = await Promise.all([1, 2, 3].map(() => cache.use("a", load("a"), same)));
    expect(made).toHaveLength(1);
    expect(new Set(got).size).toBe(1);
  });

  test("a load that failed is tried again", async () => {
    const { load, release } = handles();
    const cache = new BoundedCache<Handle>(4, release);
    await expect(cache.use("a", () => Promise.reject(new Error("lost")), same)).rejects.toThrow("lost");
    await expect(cache.use("a", load("a"), same)).resolves.toMatchObject({ key: "a" });
  });

  test("spares what was used since it last made room", async () => {
    const { made, load, release } = handles();
    const cache = new BoundedCache<Handle>(2, release);
    for (const key of ["a", "b", "a", "c"]) await cache.use(key, load(key), same);
    expect(made.map(({ key, released }) => [key, released])).toEqual([
      ["a", 0],
      ["b", 1],
      ["c", 0],
    ]);
  });

  test("a value that is dropped while it is used is released when its last user is done", async () => {
    const { made, load, release } = handles();
    const cache = new BoundedCache<Handle>(4, release);
    const first = gate();
    const second = gate();
    const uses = [first, second].map(({ passed }) => cache.use("a", load("a"), () => passed));
    await Promise.resolve();
    cache.dropKey("a");
    first.open();
    await uses[0];
    expect(made[0]?.released).toBe(0);
    second.open();
    await uses[1];
    expect(made[0]?.released).toBe(1);
  });

  test("a value whose loading was overtaken by a drop is given to those who waited, and not kept", async () => {
    const { made, load, release } = handles();
    const cache = new BoundedCache<Handle>(4, release);
    const loading = gate();
    const waiting = cache.use("a", async () => (await loading.passed, load("a")()), same);
    cache.drop(() => false);
    loading.open();
    await expect(waiting).resolves.toMatchObject({ key: "a" });
    await cache.use("a", load("a"), same);
    expect(made.map(({ released }) => released)).toEqual([1, 0]);
  });

  test("whatever is used and dropped in whatever order: bounded, released once, never under a user", async () => {
    const key = fc.constantFrom("a", "b", "c", "d");
    const step = fc.oneof(
      fc.record({ do: fc.constant("begin" as const), key }),
      fc.record({ do: fc.constant("end" as const), which: fc.nat({ max: 9 }) }),
      fc.record({ do: fc.constant("drop" as const), key }),
      fc.record({ do: fc.constant("turn" as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { made, load, release } = handles();
        const cache = new BoundedCache<Handle>(2, release);
        const users: { end: () => void; done: Promise<void> }[] = [];
        const begin = (name: string): void => {
          const { open, passed } = gate();
          const done = cache.use(name, load(name), async (handle) => {
            expect(handle).toMatchObject({ key: name, released: 0 });
            await passed;
            expect(handle.released).toBe(0);
          });
          users.push({ end: open, done });
        };
        for (const one of steps) {
          if (one.do === "begin") begin(one.key);
          else if (one.do === "drop") cache.dropKey(one.key);
          else if (one.do === "turn") await Promise.resolve();
          else users[one.which % Math.max(1, users.length)]?.end();
          expect(cache.size).toBeLessThanOrEqual(2);
        }
        for (const { end } of users) end();
        await Promise.all(users.map(({ done }) => done));
        cache.drop(() => true);
        expect(made.map(({ released }) => released)).toEqual(made.map(() => 1));
      }),
      { numRuns: 500 },
    );
  });
});
