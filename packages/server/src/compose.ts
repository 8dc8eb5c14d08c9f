import { hostname } from "node:os";
import { join } from "node:path";
import type { Audit } from "./audit/open-audit.ts";
import { openAudit } from "./audit/open-audit.ts";
import { admit } from "./core/access/admission.ts";
import { Authentication } from "./core/access/authentication.ts";
import { EndedTokens } from "./core/access/ended-tokens.ts";
import { RateLimits } from "./core/access/rate-limits.ts";
import { Revocations } from "./core/access/revocations.ts";
import { SignIns } from "./core/access/sign-ins.ts";
import type { Clock } from "./core/clock.ts";
import { AnchorKeeper } from "./core/audit/anchor-keeper.ts";
import { AuditKeys } from "./core/audit/audit-keys.ts";
import { LogToCome } from "./core/audit/log-to-come.ts";
import { recordedAlarms } from "./core/audit/recorded-alarms.ts";
import { recordedStore } from "./core/audit/recorded-store.ts";
import { recordedUnit } from "./core/audit/recorded-unit.ts";
import { RequestLog } from "./core/audit/request-log.ts";
import { BackupRunner } from "./core/backup/backup-runner.ts";
import { systemClock } from "./core/clock.ts";
import { Failure } from "./core/errors.ts";
import { DestructionTimer } from "./core/hierarchy/destruction-timer.ts";
import { KeyDirectory } from "./core/hierarchy/key-directory.ts";
import { OpenedMaterials } from "./core/hierarchy/opened-materials.ts";
import type { Vp } from "./core/ids.ts";
import { ChangeRunner } from "./core/master-key-change/runner.ts";
import { adoptFormerPrincipals } from "./core/operations/adopt-former-principals.ts";
import { attachUnits } from "./core/operations/attach-units.ts";
import { destroyDueKeys } from "./core/operations/destroy-due-keys.ts";
import {
  initialiseMasterKey,
  initialiseReservedProject,
  openVouchedRows,
} from "./core/operations/initialise.ts";
import { openAuditKeys } from "./core/operations/audit-signing-keys.ts";
import { refuseUnexpectedPatterns } from "./core/operations/refuse-unexpected-patterns.ts";
import { finishRemovals } from "./core/operations/remove-unit.ts";
import { reasonsNotReady } from "./core/operations/report-status.ts";
import type { ServicePorts } from "./core/operations/service-ports.ts";
import type { Alarms } from "./core/ports/alarms.ts";
import { settledStore } from "./core/ports/settled-store.ts";
import type { SnapshotStore } from "./core/ports/backup-store.ts";
import type { Store } from "./core/ports/store.ts";
import type { UnitFolder } from "./core/ports/unit-folder.ts";
import { secretToBase64 } from "./core/secret/to-base64.ts";
import { AttachedUnits } from "./core/unit/attached-units.ts";
import type { CryptoUnit } from "./core/unit/crypto-unit.ts";
import { FirstStart } from "./ops/first-start.ts";
import { openIdIssuer } from "./identity/open-id-issuer.ts";
import { buildApp } from "./http/app.ts";
import { meaningOf } from "./http/failure-of.ts";
import { registerHealth } from "./http/health.ts";
import { alarmLog } from "./ops/alarm-log.ts";
import { auditFiles, nodeId, writePublicKeys } from "./ops/audit-files.ts";
import { backupFolder } from "./ops/backup-folder.ts";
import type { Config } from "./ops/config.ts";
import type { DataFolder } from "./ops/data-folder.ts";
import { openDataFolder } from "./ops/data-folder.ts";
import { lockDataFolder } from "./ops/data-folder-lock.ts";
import { readGauges } from "./ops/gauges.ts";
import type { Logger } from "./ops/log.ts";
import { createMetrics } from "./ops/metrics.ts";
import { PolitePace } from "./ops/polite-pace.ts";
import { serveTls } from "./ops/serve-tls.ts";
import { shownStoreAddress } from "./ops/store-address.ts";
import { presentFailure } from "./protocols/native/errors.ts";
import { nativeHandlers } from "./protocols/native/handlers.ts";
import type { NativePorts } from "./protocols/native/call.ts";
import { leanRoutes } from "./protocols/native/lean-routes.ts";
import { isListedRoute } from "./protocols/native/roles.ts";
import { NATIVE_BODY_LIMIT_BYTES, registerNativeRoutes } from "./protocols/native/routes.ts";
import { reachPostgres } from "./store/postgres-store.ts";
import { openSqliteStore, sqliteIsThere } from "./store/sqlite-store.ts";
import type { UnitFolderOptions, UnitSubstitutes } from "./unit-folder.ts";
import { unitFolder } from "./unit-folder.ts";
import { VERSION } from "./version.ts";

/** A daemon that serves. */
export interface Daemon {
  /** `http://host:port`, or `https:` */
  readonly url: string;
  readonly data: DataFolder;
  /** Where the database is, for people: a path, or a URL. */
  readonly store: string;
  /** Pattern of the first master key, if this start has created everything. */
  readonly created: Vp | undefined;
  /** Has the TLS files read again, for connections to come; undefined without TLS. */
  readonly reloadTls: (() => void) | undefined;
  /** Finishes requests under way, pauses a change at the end of its batch, and lets go of everything. */
  stop(): Promise<void>;
}

/** What tests put between the domain and its adapters: faults, delays, deaths. */
export interface Interposed extends UnitSubstitutes {
  readonly store?: (store: Store) => Store;
  readonly unit?: (unit: CryptoUnit) => CryptoUnit;
  readonly clock?: Clock;
}

/**
 * Names every adapter and puts the daemon together: data folder, store, crypto units, domain, HTTP; then listens.
 * Whatever fails lets go of what was opened before.
 * @throws Failure with the reason in a sentence.
 */
export async function composeDaemon(
  config: Config,
  log: Logger,
  interposed: Interposed = {},
): Promise<Daemon> {
  await using opened = new AsyncDisposableStack();
  const tls = config.tls && serveTls(config.tls, presentFailure, log);
  const data = openDataFolder(config.dataFolder);
  opened.use(lockDataFolder(data.path));
  const { clock = systemClock } = interposed;
  const logToCome = new LogToCome();
  const recorded = (unit: CryptoUnit) => recordedUnit(unit, { log: logToCome, clock });
  const folder = recordedFolder(
    data,
    config,
    { ...interposed, onTrouble: (text) => log.warn(text) },
    recorded,
  );
  const place = await reachStore(config, data);
  opened.defer(() => place.leave());
  const firstStart = new FirstStart(data);
  const due = await firstStart.isDue(place, folder);

  const adapter = await place.open();
  opened.defer(() => adapter.close());
  let audit: Audit | undefined;
  const store = recordedStore(settledStore(interposed.store?.(adapter) ?? adapter), {
    clock,
    onRecorded: (mutation) => audit?.after(mutation),
  });
  const units = new AttachedUnits();
  const metrics = createMetrics({ version: VERSION, collect: () => readGauges({ store, units, anchors }) });
  const machineAlarms = alarmLog(log, metrics.countAlarm);
  const alarms = recordedAlarms(machineAlarms, { log: logToCome, clock });
  opened.defer(() => units.close());
  const anchors = new AnchorKeeper({ units, store, alarms, clock, note: (text) => log.info(text) });
  opened.defer(() => anchors.close());
  const materials = new OpenedMaterials({ units, store, alarms });
  const ports = { store, units, folder, materials, alarms, clock };

  const files = auditFiles(data);
  const beginAudit = async (): Promise<Audit> => {
    const node = nodeId(data);
    audit = await openAudit({ store, clock, alarms: machineAlarms, files, node, anchors });
    const { close, log: chained } = audit;
    opened.defer(close);
    logToCome.open(chained);
    return audit;
  };
  // At a first start the first commands are recorded; at any other, what refuses the start leaves the log as it is.
  if (due) await beginAudit();
  const created = due ? await initialiseMasterKey(ports) : undefined;
  await attachUnits(ports);
  await anchors.examineStore();
  if (!(await store.readRollback({}))) await finishRemovals(ports);
  const expectedVps = new Map(Object.entries(config.expectedVps));
  await refuseUnexpectedPatterns({ ...ports, expectedVps });
  if (due) await initialiseReservedProject(ports);
  const vouchedRows = await openVouchedRows(ports);
  const { log: auditLog, taker, reader, lastSigner } = audit ?? (await beginAudit());
  if (auditLog.isFirst && (await store.listAuditKeys({})).length > 0) {
    const note = "there was no audit log at this start, though one was kept before";
    machineAlarms.raise("audit-log", note);
    auditLog.appendLater({ atMs: clock.nowMs(), operation: "audit.missing", outcome: "alarm", note });
  }
  const signers = (await openAuditKeys({ ...ports, vouchedRows })).map(({ record }) => record);
  reader.trust(() => signers);
  await anchors.examineLog((heads) => reader.missing(heads));
  const auditKeys = await AuditKeys.open({
    ...ports,
    vouchedRows,
    log: auditLog,
    taker,
    lastSigner,
    publish: (keys) => writePublicKeys(files.keys, keys),
  });
  opened.defer(() => auditKeys.stop());
  reader.trust(() => auditKeys.records());
  if (due) {
    await firstStart.createAdministrator({ ...ports, vouchedRows });
    firstStart.complete();
  }

  await adoptFormerPrincipals({ store, vouchedRows });

  const runner = new ChangeRunner({ ...ports, vouchedRows, pace: new PolitePace(clock) });
  const keys = new KeyDirectory({ store, vouchedRows });
  const authentication = new Authentication({ store, vouchedRows, clock });
  const revocations = new Revocations({ store, clock }, [
    () => keys.forgetKeys(),
    () => authentication.forget(),
  ]);
  const rateLimits = new RateLimits(clock, config.requestsPerSecond);
  await revocations.read();
  const backups = { folder: backupFolder(config.backupFolder) };
  const backupRunner = new BackupRunner({
    ...ports,
    ...backups,
    vouchedRows,
    snapshots: adapter,
    maker: { version: VERSION, node: hostname() },
  });
  opened.defer(() => backupRunner.stop());
  const service: ServicePorts = {
    ...ports,
    vouchedRows,
    keys,
    revocations,
    runner,
    expectedVps,
    toBase64: secretToBase64,
    signIns: new SignIns(clock),
    signInWith: config.oidc && {
      provider: openIdIssuer({ ...config.oidc, clock }),
      tokenMs: config.oidc.tokenMs,
    },
    signInFailed: ({ code, message, cause }) => {
      // Not the error itself, which may carry the claims of the token.
      const reason = cause instanceof Error ? cause.message : undefined;
      log.warn({ code, reason }, `A sign-in failed: ${message}`);
    },
    version: VERSION,
  };
  const native: NativePorts = {
    handlers: nativeHandlers({
      ...service,
      backups: { ...backups, runner: backupRunner },
      audit: reader,
      auditKeys,
      anchors,
      auditTroubles: () => auditLog.troubles(),
    }),
    gate: {
      authenticate: async (credentials) => {
        if (!revocations.isFresh) await revocations.read();
        const { principal, record } = await authentication.principal(credentials);
        rateLimits.take(record);
        return principal;
      },
      admit: (caller, wanted) => admit((ref) => keys.project(ref), caller, wanted),
      revocations,
    },
    requestLog: new RequestLog({ log: auditLog, taker, clock }),
    codeOf: (error) => meaningOf(error).code,
  };
  const app = buildApp({
    log,
    bodyLimitBytes: NATIVE_BODY_LIMIT_BYTES,
    presentFailure,
    isListedRoute,
    observe: metrics.observe,
    leanRoutes: leanRoutes(native),
    ...(tls && { tls: tls.front }),
  });
  registerHealth(app, {
    readiness: async () => {
      const reasons = [...(await reasonsNotReady(service)), ...auditLog.troubles()];
      return { ready: reasons.length === 0, reasons: [...reasons, ...anchors.troubles()] };
    },
    metrics,
  });
  await registerNativeRoutes(app, native);
  opened.defer(() => app.close());
  const url = await listen(app, config);
  // What is marked as rolled back is not carried on with before somebody has accepted it, which starts the runner.
  if (!(await store.readRollback({}))) await runner.start();
  opened.defer(() => runner.stop());
  const destruction = destructionTimer(service, alarms, log);
  destruction.start();
  opened.defer(() => destruction.stop());

  const everything = opened.move();
  return {
    url,
    data,
    store: place.shown,
    created,
    reloadTls: tls?.reload,
    stop: () => everything.disposeAsync(),
  };
}

interface StorePlace {
  readonly shown: string;
  isThere(): Promise<boolean>;
  open(): Promise<Store & SnapshotStore>;
  leave(): Promise<void>;
}

/** The store that the configuration names: a PostgreSQL database, else the SQLite file of the data folder. */
async function reachStore(config: Config, data: DataFolder): Promise<StorePlace> {
  if (config.store) {
    const place = await reachPostgres(config.store);
    return { ...place, shown: shownStoreAddress(config.store) };
  }
  const path = join(data.store, "claviger.db");
  return {
    shown: path,
    isThere: async () => sqliteIsThere(path),
    open: async () => openSqliteStore({ path, threads: "own" }),
    leave: async () => undefined,
  };
}

function destructionTimer(service: ServicePorts, alarms: Alarms, log: Logger): DestructionTimer {
  const endedTokens = new EndedTokens(service);
  return new DestructionTimer({
    clock: service.clock,
    alarms,
    destroyDue: async (limit) => {
      if (await service.store.readRollback({})) return { destroyed: 0, left: 0 };
      const { destroyed, left } = await destroyDueKeys(service, { limit });
      await service.store.dropExpiredImportTokens({ nowMs: service.clock.nowMs() });
      const tokens = await endedTokens.drop();
      if (tokens > 0) log.info({ tokens }, "tokens that ended long ago dropped");
      for (const { id, projectId } of destroyed) log.info({ key: id, project: projectId }, "key destroyed");
      return { destroyed: destroyed.length, left };
    },
  });
}

/** The units of the data folder, with what records their commands around each. */
function recordedFolder(
  data: DataFolder,
  config: Config,
  { unit: interpose = (unit) => unit, ...options }: Interposed & UnitFolderOptions,
  recorded: (unit: CryptoUnit) => CryptoUnit,
): UnitFolder {
  const folder = unitFolder(data, config, options);
  return {
    ...folder,
    create: async (address, group, attachment) =>
      recorded(interpose(await folder.create(address, group, attachment))),
    open: async (address) => recorded(interpose(await folder.open(address))),
  };
}

async function listen(app: ReturnType<typeof buildApp>, config: Config): Promise<string> {
  const { host, port } = config.listen;
  try {
    const url = await app.listen({ host, port });
    return config.tls ? url.replace(/^http:/, "https:") : url;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE")
      throw new Failure("address-in-use", `another program listens on ${host}:${port}`, { cause: error });
    if (code === "EACCES")
      throw new Failure("config-invalid", `this user may not listen on ${host}:${port}`, { cause: error });
    throw error;
  }
}
