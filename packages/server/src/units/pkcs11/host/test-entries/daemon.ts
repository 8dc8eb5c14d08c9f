import { UnitHosts } from "../unit-hosts.ts";
import type { Act } from "./acts.ts";
import { OP } from "./acts.ts";

/** A daemon with two unit hosts, whose process ids it prints. It stays, or closes them and does nothing more. */
const nothing: Act = { deed: { kind: "answer" } };
const hosts = await UnitHosts.open({
  entry: new URL("./obedient-host.ts", import.meta.url),
  hosts: 2,
  start: () => Buffer.from(JSON.stringify(nothing)),
  environment: {},
  deadlinesMs: { start: 60_000, quick: 60_000, batch: 60_000, generate: 60_000 },
});
const { pids } = hosts.stats;
await hosts.call({ op: OP.echo, payload: Uint8Array.of(1), deadline: "generate", isRepeatable: true });
if (process.argv[2] === "close") await hosts.close();
process.stdout.write(`${JSON.stringify(pids)}\n`);
