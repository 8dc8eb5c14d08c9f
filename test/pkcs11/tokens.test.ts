import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { isWithout } from "../set-up/without.ts";
import { startTokenUser } from "./token-user.ts";
import type { TestToken } from "./tokens.ts";
import { copyToken, nssToken, restoreToken, softHsmToken, softHsmTokens } from "./tokens.ts";

const tokenKeys = async (token: TestToken): Promise<unknown> => {
  await using user = await startTokenUser(token);
  return (await user.use({ does: "tokenKeys" }))[0]?.value;
};
const makeTokenKey = async (token: TestToken, label: string): Promise<void> => {
  await using user = await startTokenUser(token);
  expect(await user.use({ does: "makeTokenKey", label })).toEqual([{ rv: 0 }]);
};

describe.for([
  ["softhsm2", softHsmToken],
  ["nss", nssToken],
] as const)("test tokens of %s", ([name, newToken]) => {
  test.skipIf(isWithout(name))(
    "are fresh, and found by label and serial number; their folder goes with them",
    async () => {
      const token = newToken();
      await using user = await startTokenUser(token);
      expect(await user.use({ does: "serial" })).toEqual([{ rv: 0, value: token.serial }]);
      expect(await tokenKeys(token)).toEqual([]);
      token[Symbol.dispose]();
      expect(existsSync(token.folder)).toBe(false);
    },
  );

  test.skipIf(isWithout(name))("go back to an earlier copy, which lives on its own", async () => {
    using token = newToken();
    await makeTokenKey(token, "first");
    using copy = copyToken(token);
    await makeTokenKey(token, "second");
    expect(await tokenKeys(token)).toHaveLength(2);
    expect(await tokenKeys(copy)).toEqual(["first"]);
    restoreToken(token, copy);
    await makeTokenKey(copy, "third");
    expect(await tokenKeys(token)).toEqual(["first"]);
  });
});

test.skipIf(isWithout("softhsm2"))("several SoftHSM tokens in one folder keep their keys apart", async () => {
  const [one, two] = softHsmTokens(["one", "two"]);
  if (one === undefined || two === undefined) throw new Error("two tokens were asked for");
  using _ = one;
  await makeTokenKey(one, "of one");
  expect(two.environment).toEqual(one.environment);
  expect(two.serial).not.toBe(one.serial);
  expect(await tokenKeys(two)).toEqual([]);
  expect(await tokenKeys(one)).toEqual(["of one"]);
});
