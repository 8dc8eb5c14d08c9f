import { isLoopback } from "../loopback.ts";
import type { StoreAddress } from "../store-address.ts";
import { shownStoreAddress } from "../store-address.ts";
import type { Finding } from "./finding.ts";
import { finding } from "./finding.ts";

/** What a PostgreSQL server and the database on it say of themselves. */
export interface DatabaseReading {
  readonly version: string;
  readonly major: number;
  readonly oldestMajor: number;
  readonly encoding: string;
  readonly standby: boolean;
  readonly settings: Readonly<Record<"fsync" | "full_page_writes" | "synchronous_commit", string>>;
  readonly tls: string | null;
  readonly superuser: boolean;
  readonly mayCreate: boolean;
  readonly othersTables: number;
  readonly openToAll: boolean;
  readonly schema: number | undefined;
  readonly knownSchema: number;
  readonly rollback: { readonly state: string; readonly reason: string } | undefined;
  readonly connections: { readonly room: number; readonly needed: number };
  readonly lock: { readonly since: string; readonly from: string } | undefined;
}

/** Whether a PostgreSQL database is fit for keys, and a daemon for it. `daemonRuns` is one on this data folder. */
export function checkDatabase(
  address: StoreAddress,
  reading: DatabaseReading,
  daemonRuns: boolean,
): readonly Finding[] {
  return [
    checkServer(address, reading),
    checkDurability(reading),
    checkLink(address, reading),
    checkRole(address, reading),
    checkSchema(reading),
    checkConnections(reading),
    checkLock(reading, daemonRuns),
  ];
}

function checkServer(address: StoreAddress, reading: DatabaseReading): Finding {
  const { version, major, oldestMajor, encoding, standby } = reading;
  const found = `${shownStoreAddress(address)}, PostgreSQL ${version}`;
  const broken = (what: string, advice: string) => finding("database", "broken", `${found}${what}`, advice);
  if (major < oldestMajor) return broken(`; needed at least: ${oldestMajor}`, "Upgrade the server.");
  if (encoding !== "UTF8")
    return broken(`; it encodes in ${encoding}`, "Create the database anew with ENCODING 'UTF8'.");
  if (standby) return broken("; it is a standby, which nobody can write", "Name the primary server.");
  return finding("database", "ok", found);
}

function checkDurability({ settings }: DatabaseReading): Finding {
  const off = Object.entries(settings).filter(([, value]) => value !== "on" && value !== "remote_apply");
  if (off.length === 0)
    return finding("database durability", "ok", `${Object.keys(settings).join(", ")} are on`);
  return finding(
    "database durability",
    "broken",
    `${off.map(([name, value]) => `${name} is ${value}`).join(", ")}: a power failure would lose keys`,
    "Turn it on in postgresql.conf, and see that nothing between daemon and server overrides it.",
  );
}

function checkLink({ host, tls }: StoreAddress, reading: DatabaseReading): Finding {
  const check = "database link";
  if (tls === undefined)
    return host.startsWith("/") || isLoopback(host)
      ? finding(check, "ok", "within this machine, without TLS")
      : finding(check, "broken", `to ${host} without TLS`, "Add sslmode=verify-full to `store`.");
  if (reading.tls === null)
    return finding(
      check,
      "warning",
      "TLS ends in front of the server, at something that can read and change everything",
      "Connect to the server itself.",
    );
  if (tls.mode === "verify-ca")
    return finding(
      check,
      "warning",
      `${reading.tls}, but any server with a certificate of the authority is taken for ${host}`,
      "Use sslmode=verify-full.",
    );
  return finding(check, "ok", `${reading.tls}, with a certificate that is checked`);
}

function checkRole({ user }: StoreAddress, reading: DatabaseReading): Finding {
  const check = "database role";
  const owner = `Make ${user} the owner of the database and of its tables; see docs/operations/postgresql.md.`;
  if (!reading.mayCreate) return finding(check, "broken", `${user} may not make tables there`, owner);
  if (reading.othersTables > 0) {
    const what = `${reading.othersTables} tables of Claviger's belong to another role than ${user}`;
    return finding(check, "broken", what, owner);
  }
  if (reading.superuser) {
    const advice =
      "Give Claviger a role of its own that has no other right; see docs/operations/postgresql.md.";
    return finding(check, "warning", `${user} is a superuser of the whole server`, advice);
  }
  if (reading.openToAll) {
    const advice = "As its owner: REVOKE ALL ON DATABASE … FROM PUBLIC.";
    return finding(check, "warning", "every role of the server may connect to the database", advice);
  }
  return finding(check, "ok", `${user} may do what it must, and nobody else is let in by default`);
}

function checkSchema({ schema, knownSchema, rollback }: DatabaseReading): Finding {
  const check = "database schema";
  if (schema === undefined)
    return finding(check, "ok", "there are no tables yet; the first start makes them");
  if (schema > knownSchema)
    return finding(
      check,
      "broken",
      `${schema}, of a newer release; this one knows ${knownSchema}`,
      "Use that release.",
    );
  if (rollback?.state === "writing")
    return finding(
      check,
      "broken",
      `it is being ${rollback.reason}, and is not complete`,
      "Repeat the restore with the same backup.",
    );
  if (rollback)
    return finding(
      check,
      "warning",
      `it was ${rollback.reason}, and is read-only until that is accepted`,
      "Look at it, then run `claviger store accept-rollback`.",
    );
  const more = schema < knownSchema ? `; the next start brings it to ${knownSchema}` : "";
  return finding(check, "ok", `${schema}${more}`);
}

function checkConnections({ connections: { room, needed } }: DatabaseReading): Finding {
  const found = `room for ${Math.max(room, 0)} of a daemon; it makes up to ${needed}`;
  if (room >= needed) return finding("database connections", "ok", found);
  return finding(
    "database connections",
    "broken",
    found,
    "Raise max_connections (or the limit of the role or the database), or end those of others.",
  );
}

function checkLock({ lock }: DatabaseReading, daemonRuns: boolean): Finding {
  const check = "database lock";
  if (!lock)
    return daemonRuns
      ? finding(
          check,
          "broken",
          "the daemon that runs does not hold it, and serves nothing until it does",
          "See its log, and whether `store` is what it was started with.",
        )
      : finding(check, "ok", "nobody holds it");
  const held = `held from ${lock.from} since ${lock.since}`;
  if (daemonRuns) return finding(check, "ok", `${held}, as it is while a daemon runs`);
  return finding(
    check,
    "broken",
    `${held}, but no daemon runs on this data folder`,
    "See which other daemon or restore uses the database; there may be one only.",
  );
}
