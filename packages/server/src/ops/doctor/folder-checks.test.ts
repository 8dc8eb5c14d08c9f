import { spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { Authority, PemFolder } from "../../../../../test/tls/certificates.ts";
import { Failure } from "../../core/errors.ts";
import { openDataFolder } from "../data-folder.ts";
import { checkFiles } from "./check-files.ts";
import { checkLayout } from "./check-layout.ts";
import { checkListener } from "./check-listener.ts";
import { examine } from "./examine.ts";
import { checkDaemon, runningDaemon } from "./running-daemon.ts";

const isRoot = process.getuid?.() === 0;
const scratch = mkdtempSync(join(tmpdir(), "claviger-doctor-"));
const pems = new PemFolder();
afterAll(() => {
  rmSync(scratch, { recursive: true });
  pems[Symbol.dispose]();
});

/** A data folder with a file in each part, as a daemon leaves it. */
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(scratch, "data-"));
  openDataFolder(folder);
  for (const name of ["units/01.0001.unit", "pins/01.0001.pin", "store/claviger.db", "admin.token"])
    writeFileSync(join(folder, name), "", { mode: 0o600 });
});

describe("files", () => {
  test("as a daemon makes them are all right", () => {
    expect(checkFiles(folder).verdict).toBe("ok");
  });

  test.for([
    ["pins/01.0001.pin", 0o640],
    ["store/claviger.db", 0o604],
    ["admin.token", 0o602],
    ["units", 0o710],
    [".", 0o701],
  ] as const)("%s with mode %o is found, and named", ([name, mode]) => {
    chmodSync(join(folder, name), mode);
    expect(checkFiles(folder)).toMatchObject({
      verdict: "broken",
      found: expect.stringContaining(
        `${join(folder, name)} is open to others (mode 0${mode.toString(8)})`,
      ) as string,
    });
  });

  test("behind a link are looked at too, and a link to nothing is found", () => {
    const elsewhere = mkdtempSync(join(scratch, "pins-"));
    writeFileSync(join(elsewhere, "01.0001.pin"), "", { mode: 0o644 });
    rmSync(join(folder, "pins"), { recursive: true });
    symlinkSync(elsewhere, join(folder, "pins"));
    expect(checkFiles(folder).found).toContain("01.0001.pin is open to others");
    rmSync(elsewhere, { recursive: true });
    expect(checkFiles(folder).found).toContain("is a link to nothing");
  });

  test.runIf(isRoot)("of another user are found", () => {
    chownSync(join(folder, "pins/01.0001.pin"), 65_534, 65_534);
    expect(checkFiles(folder)).toMatchObject({
      verdict: "broken",
      found: expect.stringContaining("65534") as string,
    });
  });

  test("that are many are counted, not listed", () => {
    for (let nth = 0; nth < 20; nth++) writeFileSync(join(folder, `units/${nth}.unit`), "", { mode: 0o644 });
    expect(checkFiles(folder).found).toMatch(/; and 15 more$/);
  });
});

describe("layout", () => {
  test("with the parts side by side is a warning", () => {
    expect(checkLayout(folder)).toMatchObject({
      verdict: "warning",
      found: expect.stringContaining("neighbours") as string,
    });
  });

  test("with two of three parts side by side is a warning still", () => {
    moveAway("pins");
    expect(checkLayout(folder).found).toContain("neighbours");
  });

  test("with the parts in different folders of one file system is a warning", () => {
    for (const part of ["units", "pins", "store"]) moveAway(part);
    expect(checkLayout(folder)).toMatchObject({
      verdict: "warning",
      found: expect.stringContaining("file system") as string,
    });
  });

  test("that is not there yet cannot be told", () => {
    rmSync(join(folder, "store"), { recursive: true });
    expect(checkLayout(folder).verdict).toBe("unknown");
  });

  function moveAway(part: string): void {
    const place = join(mkdtempSync(join(scratch, "place-")), part);
    mkdirSync(place);
    rmSync(join(folder, part), { recursive: true });
    symlinkSync(place, join(folder, part));
  }
});

describe("listener", () => {
  const loopback = { host: "127.0.0.1", port: 8440 };
  const DAY_MS = 86_400_000;
  const now = new Date();
  const tls = async (days: number) => {
    const { cert, key } = await (
      await Authority.create("CN=CA")
    ).issueServer({ validHours: [-1, days * 24 + 1] });
    return { cert: pems.write("cert.pem", cert), key: pems.write("key.pem", key) };
  };

  test("on loopback is all right with and without TLS", async () => {
    expect(checkListener({ listen: loopback }, now).verdict).toBe("ok");
    expect(checkListener({ listen: loopback, tls: await tls(90) }, now).verdict).toBe("ok");
  });

  test("with a certificate near its end is a warning, and behind it broken", async () => {
    const listener = { listen: loopback, tls: await tls(90) };
    const verdicts = [75, 77, 91].map(
      (days) => checkListener(listener, new Date(now.getTime() + days * DAY_MS)).verdict,
    );
    expect(verdicts).toEqual(["ok", "warning", "broken"]);
    expect(checkListener(listener, new Date(now.getTime() - DAY_MS)).verdict).toBe("broken");
  });

  test("whose key is not there, or everybody's, is broken; the group's is a warning", async () => {
    const files = await tls(90);
    expect(checkListener({ listen: loopback, tls: { ...files, key: "/nowhere" } }, now).verdict).toBe(
      "broken",
    );
    chmodSync(files.key, 0o644);
    expect(checkListener({ listen: loopback, tls: files }, now).verdict).toBe("broken");
    chmodSync(files.key, 0o640);
    expect(checkListener({ listen: loopback, tls: files }, now).verdict).toBe("warning");
  });

  test("with a revocation list that has expired is a warning", async () => {
    const clients = await Authority.create("CN=Clients");
    const clientCa = pems.write("clients.pem", clients.pem);
    const clientCrl = pems.write("crl.pem", await clients.revocationList([], [-1, 24]));
    const listener = { listen: loopback, tls: { ...(await tls(90)), clientCa, clientCrl } };
    expect(checkListener(listener, now).verdict).toBe("ok");
    const late = checkListener(listener, new Date(now.getTime() + 2 * DAY_MS));
    expect(late.verdict).toBe("warning");
    expect(late.found).toContain("a revocation list has expired");
  });

  test("beyond loopback without certificates of clients is a warning", async () => {
    const files = await tls(90);
    const listen = { host: "0.0.0.0", port: 8440 };
    expect(checkListener({ listen, tls: files }, now).verdict).toBe("warning");
    expect(checkListener({ listen, tls: { ...files, clientCa: files.cert } }, now).verdict).toBe("ok");
  });
});

describe("daemon", () => {
  test("is none without its pid, or where that process is gone or another program", () => {
    expect(runningDaemon(folder)).toBeUndefined();
    for (const pid of ["", "x\n", "4194304\n", `${process.ppid}\n`]) {
      writeFileSync(join(folder, "daemon.pid"), pid);
      expect(runningDaemon(folder), pid).toBeUndefined();
    }
    expect(checkDaemon(undefined).found).toContain("none runs");
  });

  test("that runs is found with its command line and limits", async () => {
    const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60_000)", "clavigerd"], {
      stdio: "ignore",
    });
    await new Promise((resolve) => child.once("spawn", resolve));
    try {
      writeFileSync(join(folder, "daemon.pid"), `${child.pid}\n`);
      const daemon = runningDaemon(folder);
      expect(daemon?.pid).toBe(child.pid);
      if (process.platform === "linux") {
        expect(daemon?.commandLine).toContain("clavigerd");
        expect(daemon?.limits).toContain("Max core file size");
      }
      expect(checkDaemon(daemon).found).toContain(String(child.pid));
    } finally {
      child.kill();
    }
  });
});

describe("the whole examination", () => {
  const noDatabase = (): never => {
    throw new Error("there is no database to be asked");
  };
  const config = () => ({
    dataFolder: folder,
    backupFolder: join(folder, "backups"),
    listen: { host: "127.0.0.1", port: 8440 },
    logLevel: "info" as const,
    expectedVps: {},
    pkcs11: {
      modules: [],
      pinFolder: join(folder, "pins"),
      units: new Map(),
      clonable: [],
      environment: {},
      libraryParameters: new Map(),
    },
  });

  test("has each check once, and a data folder that is fit fails none of those of the folder", async () => {
    const findings = await examine(config(), noDatabase);
    expect(findings.map(({ check }) => check)).toEqual([
      "versions",
      "core dumps",
      "debugger",
      "swap",
      "clock",
      "time keeping",
      "configuration",
      "listener",
      "data folder",
      "files",
      "layout",
      "disk space",
      "daemon",
    ]);
    expect(findings.find(({ check }) => check === "files")?.verdict).toBe("ok");
  });

  test("finds what one of its checks finds", async () => {
    chmodSync(join(folder, "admin.token"), 0o644);
    const broken = (await examine(config(), noDatabase)).filter(({ verdict }) => verdict === "broken");
    expect(broken.map(({ check }) => check)).toContain("files");
  });

  test("with a database elsewhere asks that, says why it gives no answer, and looks at units and PINs alone", async () => {
    const store = {
      host: "/run/none",
      port: 5432,
      database: "keys",
      user: "claviger",
      passwordFile: undefined,
      tls: undefined,
    };
    rmSync(join(folder, "store"), { recursive: true });
    const findings = await examine({ ...config(), store }, async ({ database }) => {
      throw new Failure("store-refused", `${database} is not there`);
    });
    const found = (check: string) => findings.find((one) => one.check === check)?.found;
    expect(findings.at(-1)).toMatchObject({
      check: "database",
      verdict: "broken",
      found: "keys is not there",
    });
    expect(found("layout")).toBe(
      "units and PINs are neighbours: a copy of one folder is a copy of what opens every key",
    );
    expect(found("disk space")).toMatch(/for the audit log$/);
  });

  test("of a folder that is not there yet makes none", async () => {
    const dataFolder = join(folder, "below", "not-yet");
    const findings = await examine({ ...config(), dataFolder }, noDatabase);
    expect(findings.find(({ check }) => check === "data folder")?.found).toContain("none yet");
    expect(findings.map(({ check }) => check)).toContain("disk space");
  });
});
