import { openDatabase } from "../../packages/server/src/barbican/database/open-database.ts";
import { readBarbicanConfig } from "../../packages/server/src/barbican/config/barbican-config.ts";
import { rewrapProjectKeys } from "../../packages/server/src/core/barbican/rewrap-project-keys.ts";
import { openProjectKeyToken } from "../../packages/server/src/units/pkcs11/barbican/open-project-key-token.ts";

/*
 * A rewrap that kills itself: `rewrap-child.ts <barbican.conf> <call> <nth> <before|after>`. At the n-th such call of a port,
 * before it or when it is done, the process gets SIGKILL. Without a point it prints how often each call was made, as JSON.
 *
 * Pages are small, and nothing is waited for: the clock stands still.
 */
const [conf = "", point = "", nth = "", moment = ""] = process.argv.slice(2);
const ROWS_A_PAGE = 100;

const counts: Record<string, number> = {};

/** The port, with the point at the calls that change something or tell of a page. */
function withPoints<Port extends object>(port: Port, names: readonly (keyof Port & string)[]): Port {
  return new Proxy(port, {
    get: (_, name) => {
      const method = Reflect.get(port, name, port) as unknown;
      if (typeof method !== "function") return method;
      if (!names.includes(name as keyof Port & string)) return method.bind(port) as unknown;
      const call = String(name);
      return async (...args: readonly unknown[]): Promise<unknown> => {
        counts[call] = (counts[call] ?? 0) + 1;
        const isPoint = call === point && counts[call] === Number(nth);
        if (isPoint && moment === "before") await die();
        const result: unknown = await Reflect.apply(method, port, args);
        if (isPoint && moment === "after") await die();
        return result;
      };
    },
  });
}

/** Never resolves. */
function die(): Promise<never> {
  process.kill(process.pid, "SIGKILL");
  return new Promise(() => undefined);
}

const config = readBarbicanConfig([conf]);
const token = await openProjectKeyToken({
  location: config.token,
  pin: config.pin,
  hmacKeyType: config.hmacKeyType,
  hmacMechanism: config.hmacMechanism,
  hosts: 1,
  environment: process.env as Record<string, string>,
});
const database = await openDatabase(config.databaseUrl);
const result = await rewrapProjectKeys(
  {
    database: withPoints(database, ["lockOutOthers", "kekRows", "replace"]),
    token: withPoints(token, ["rewrap"]),
    clock: { nowMs: () => 0, sleep: () => Promise.resolve() },
  },
  {
    target: config.current,
    isDryRun: false,
    rowsPerSecond: ROWS_A_PAGE,
    signal: new AbortController().signal,
  },
);
await database.close();
await token.close();
process.stdout.write(JSON.stringify({ ended: result.ended, counts }));
