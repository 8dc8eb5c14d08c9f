import type { BarbicanDatabase } from "../../core/barbican/barbican-database.ts";
import { parseDatabaseUrl, shownAddress } from "./database-url.ts";
import { MysqlDatabase } from "./mysql-database.ts";
import { PostgresDatabase } from "./postgres-database.ts";
import { SqliteDatabase } from "./sqlite-database.ts";

/**
 * Opens the database of a Barbican by the address in its configuration. It must be there, with upstream's tables.
 * @throws Failure `barbican-database-unsuitable` where it cannot be opened or is not Barbican's, `barbican-database-failed`.
 */
export async function openDatabase(url: string): Promise<BarbicanDatabase> {
  const address = parseDatabaseUrl(url);
  const where = shownAddress(address);
  switch (address.kind) {
    case "sqlite":
      return SqliteDatabase.open(address.path);
    case "postgres":
      return PostgresDatabase.open(address, where);
    case "mysql":
      return MysqlDatabase.open(address, where);
  }
}
