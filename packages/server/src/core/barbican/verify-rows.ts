import type { Clock } from "../clock.ts";
import { Failure } from "../errors.ts";
import type { BarbicanDatabase, KekRow, SecretRow } from "./barbican-database.ts";
import type { FailedRow, FailedSecret, NamedRow, RowRefusal } from "./failed-rows.ts";
import { Failed, withProjects } from "./failed-rows.ts";
import { eachPage, everyPage, everySecretPage } from "./pages.ts";
import type { SealedSecret, WrappedProjectKey } from "./project-key.ts";
import type { ProjectKeyToken } from "./project-key-token.ts";
import { readRow, stateOf } from "./read-row.ts";
import { RowPace } from "./row-pace.ts";
import { parseSealedSecret } from "./secret-meta.ts";

export interface VerifyPorts {
  readonly database: Pick<BarbicanDatabase, "kekRows" | "projectOf" | "secretRows">;
  readonly token: Pick<ProjectKeyToken, "verify" | "verifySecrets">;
  readonly clock: Clock;
}

export interface VerifyOrder {
  readonly withSecrets: boolean;
  /** Project keys, and then secrets, a second; `Infinity`: as fast as it goes. */
  readonly rowsPerSecond: number;
  readonly signal: AbortSignal;
  readonly onPage?: (progress: { readonly what: "project keys" | "secrets"; readonly seen: number }) => void;
}

export interface VerifyResult {
  readonly isInterrupted: boolean;
  readonly keys: {
    readonly seen: number;
    readonly opened: number;
    readonly unbound: number;
    readonly failed: { readonly count: number; readonly named: readonly NamedRow[] };
  };
  readonly secrets:
    | {
        readonly seen: number;
        readonly opened: number;
        readonly failed: { readonly count: number; readonly named: readonly FailedSecret[] };
      }
    | undefined;
}

/**
 * Opens every project key, and every secret if that is wanted, inside the token; says which do not open, and changes
 * nothing. Of what comes out only is looked at whether it does.
 * @throws Failure `barbican-token-failed`, `barbican-database-failed`.
 */
export async function verifyRows(ports: VerifyPorts, order: VerifyOrder): Promise<VerifyResult> {
  const keys = await verifyKeys(ports, order);
  const secrets = order.withSecrets && !order.signal.aborted ? await verifySecrets(ports, order) : undefined;
  return { isInterrupted: order.signal.aborted, keys, secrets };
}

async function verifyKeys(
  { database, token, clock }: VerifyPorts,
  { rowsPerSecond, signal, onPage }: VerifyOrder,
): Promise<VerifyResult["keys"]> {
  const failed = new Failed<FailedRow>();
  const fail = (row: KekRow, refused: RowRefusal, detail: string | null): void =>
    failed.add({ id: row.id, state: stateOf(row), refused, detail });
  let [seen, opened, unbound] = [0, 0, 0];
  const pace = new RowPace(clock, rowsPerSecond);
  await eachPage(everyPage(database, rowsPerSecond), { pace, signal }, async (page) => {
    const bound: { readonly row: KekRow; readonly key: WrappedProjectKey }[] = [];
    for (const row of page) {
      const read = readRow(row);
      if (read === "unbound") unbound += 1;
      else if ("unreadable" in read) fail(row, "unreadable", read.unreadable);
      else bound.push({ row, key: read.key });
    }
    const outcomes = bound.length === 0 ? [] : await token.verify(bound.map(({ key }) => key));
    for (const [i, { row }] of bound.entries()) {
      const outcome = answered(outcomes[i]);
      if (outcome === "opened") opened += 1;
      else fail(row, outcome.refused, null);
    }
    seen += page.length;
    onPage?.({ what: "project keys", seen });
  });
  const named = await withProjects(database, failed.named);
  return { seen, opened, unbound, failed: { count: failed.count, named } };
}

async function verifySecrets(
  { database, token, clock }: VerifyPorts,
  { rowsPerSecond, signal, onPage }: VerifyOrder,
): Promise<NonNullable<VerifyResult["secrets"]>> {
  const failed = new Failed<FailedSecret>();
  const fail = (
    { id, secretId, kekId, isDeleted }: SecretRow,
    refused: RowRefusal,
    detail: string | null,
  ): void => failed.add({ id, secretId, kekId, isDeleted, refused, detail });
  let [seen, opened] = [0, 0];
  const ofOneKey = async ({ rows }: SecretsOfKey): Promise<void> => {
    const [first] = rows;
    const read = first && readRow(first);
    if (!read || read === "unbound" || "unreadable" in read) {
      const why = read && read !== "unbound" ? `, plugin_meta: ${read.unreadable}` : "";
      for (const row of rows) fail(row, "unreadable", `its project key cannot be read${why}`);
      return;
    }
    const sealed: { readonly row: SecretRow; readonly secret: SealedSecret }[] = [];
    for (const row of rows) {
      const secret = parseSealedSecret(row.cypherText, row.kekMetaExtended);
      if ("refused" in secret) fail(row, "unreadable", secret.refused);
      else sealed.push({ row, secret });
    }
    if (sealed.length === 0) return;
    const outcomes = await token.verifySecrets(
      read.key,
      sealed.map(({ secret }) => secret),
    );
    for (const [i, { row }] of sealed.entries()) {
      const outcome = "refused" in outcomes ? outcomes : answered(outcomes[i]);
      if (outcome === "opened") opened += 1;
      else fail(row, outcome.refused, "refused" in outcomes ? "its project key does not open" : null);
    }
  };
  const pace = new RowPace(clock, rowsPerSecond);
  await eachPage(everySecretPage(database, rowsPerSecond), { pace, signal }, async (page) => {
    await Promise.all(byKey(page).map(ofOneKey));
    seen += page.length;
    onPage?.({ what: "secrets", seen });
  });
  return { seen, opened, failed };
}

interface SecretsOfKey {
  readonly rows: readonly SecretRow[];
}

/** Under the same text of plugin_meta they are under the same key. */
function byKey(page: readonly SecretRow[]): readonly SecretsOfKey[] {
  return [...Map.groupBy(page, ({ kekId, pluginMeta }) => `${kekId} ${pluginMeta}`).values()].map((rows) => ({
    rows,
  }));
}

function answered<Outcome>(outcome: Outcome | undefined): Outcome {
  if (outcome === undefined)
    throw new Failure("internal", "the token answered for fewer rows than it was given");
  return outcome;
}
