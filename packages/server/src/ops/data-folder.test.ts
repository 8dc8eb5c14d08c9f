import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Failure } from "../core/errors.ts";
import { failureOfFile, openDataFolder, writeSecretFile } from "./data-folder.ts";

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

/** A folder that nobody has used yet. */
const freshFolder = (): string => mkdtempSync(join(tmpdir(), "claviger-data-"));
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

test("makes the folder and its layout, for its owner only, whatever the umask", () => {
  const old = process.umask(0);
  try {
    const path = join(freshFolder(), "a", "b");
    const folder = openDataFolder(path);
    expect(folder).toEqual({
      path,
      units: join(path, "units"),
      audit: join(path, "audit"),
      pins: join(path, "pins"),
      store: join(path, "store"),
      adminToken: join(path, "admin.token"),
      created: true,
    });
    for (const one of [path, folder.units, folder.pins, folder.store, folder.audit])
      expect(modeOf(one)).toBe("700");
    expect(readdirSync(path).toSorted()).toEqual(["audit", "pins", "store", "units"]);
  } finally {
    process.umask(old);
  }
});

test("takes the folder as it is when it is there, and makes what is missing in it", () => {
  const path = freshFolder();
  expect(openDataFolder(path).created).toBe(false);
  expect(openDataFolder(path).created).toBe(false);
  expect(modeOf(join(path, "pins"))).toBe("700");
});

test.for(["750", "705", "770", "711"])(
  "refuses a folder of mode %s, and says which chmod mends it",
  (mode) => {
    const path = freshFolder();
    chmodSync(path, Number.parseInt(mode, 8));
    const failure = refusalOf(() => openDataFolder(path));
    expect(failure.code).toBe("data-folder-unusable");
    expect(failure.message).toContain(`chmod 700 ${path}`);
    expect(modeOf(path)).toBe(mode);
    expect(readdirSync(path)).toEqual([]);
  },
);

test("refuses a folder in it that is open to others", () => {
  const path = freshFolder();
  const { pins } = openDataFolder(path);
  chmodSync(pins, 0o755);
  expect(refusalOf(() => openDataFolder(path)).message).toContain(`chmod 700 ${pins}`);
});

test("quotes the path in the command for a shell", () => {
  const path = join(freshFolder(), "it's here; rm -rf");
  mkdirSync(path, { mode: 0o755 });
  const { message } = refusalOf(() => openDataFolder(path));
  const command = message.slice(message.indexOf("chmod"));
  expect(spawnSync("sh", ["-c", command]).status).toBe(0);
  expect(modeOf(path)).toBe("700");
});

test("refuses a file in the place of the folder, or above it", () => {
  const file = join(freshFolder(), "file");
  writeFileSync(file, "");
  for (const path of [file, join(file, "below")]) {
    expect(refusalOf(() => openDataFolder(path)).code).toBe("data-folder-unusable");
  }
});

test("refuses a link to nowhere", () => {
  const path = join(freshFolder(), "link");
  symlinkSync("/nowhere/at/all", path);
  expect(refusalOf(() => openDataFolder(path)).code).toBe("data-folder-unusable");
});

// Another owner takes root to arrange; as another user, the same refusal comes from the folder of root.
test("refuses a folder of another user", () => {
  const path = isRoot ? freshFolder() : "/root";
  if (isRoot) chownSync(path, NOBODY, NOBODY);
  const failure = refusalOf(() => openDataFolder(path));
  expect(failure.code).toBe("data-folder-unusable");
  if (isRoot) expect(failure.message).toContain(`chown -R ${process.getuid?.()} ${path}`);
});

test("refuses a folder that this user may not write", () => {
  const path = freshFolder();
  openDataFolder(path);
  chmodSync(path, 0o500);
  if (isRoot) {
    // Root may write it all the same, so a process of another user tries.
    for (const one of [path, join(path, "units"), join(path, "pins"), join(path, "store")])
      chownSync(one, NOBODY, NOBODY);
    const program = `import(${JSON.stringify(new URL("./data-folder.ts", import.meta.url).href)})
      .then(({ openDataFolder }) => openDataFolder(${JSON.stringify(path)}))
      .catch((error) => console.log(error.code, error.message));`;
    const child = spawnSync(process.execPath, ["-e", program], {
      uid: NOBODY,
      gid: NOBODY,
      encoding: "utf8",
      cwd: "/",
    });
    expect(child.stdout, child.stderr).toContain("data-folder-unusable");
    expect(child.stdout).toContain("cannot be used by this user");
  } else {
    expect(refusalOf(() => openDataFolder(path)).code).toBe("data-folder-unusable");
  }
  chmodSync(path, 0o700);
});

test.for([
  ["EACCES", "data-folder-unusable"],
  ["EPERM", "data-folder-unusable"],
  ["ENOTDIR", "data-folder-unusable"],
  ["EROFS", "store-read-only"],
  ["ENOSPC", "store-full"],
  ["EDQUOT", "store-full"],
] as const)("an error %s of the file system is %s, and names the path", ([code, failureCode]) => {
  const error = failureOfFile(Object.assign(new Error("x"), { code }), "/data/units");
  expect(error).toMatchObject({ code: failureCode, field: "/data/units" });
  expect(error.message).toContain("/data/units");
});

test("an error that no operator can mend stays what it is", () => {
  const error = Object.assign(new Error("x"), { code: "EIO" });
  expect(failureOfFile(error, "/data")).toBe(error);
});

test("writes a secret file whole, for its owner only, and leaves nothing else behind", () => {
  const folder = freshFolder();
  const old = process.umask(0);
  try {
    writeSecretFile(join(folder, "admin.token"), "clv_abc\n");
    writeSecretFile(join(folder, "pin"), Uint8Array.of(0, 255));
  } finally {
    process.umask(old);
  }
  expect(readFileSync(join(folder, "admin.token"), "utf8")).toBe("clv_abc\n");
  expect([...readFileSync(join(folder, "pin"))]).toEqual([0, 255]);
  expect(modeOf(join(folder, "admin.token"))).toBe("600");
  expect(readdirSync(folder).toSorted()).toEqual(["admin.token", "pin"]);
});

test("never replaces a secret file", () => {
  const folder = freshFolder();
  const path = join(folder, "pin");
  writeSecretFile(path, "first");
  const failure = refusalOf(() => writeSecretFile(path, "second"));
  expect(failure.code).toBe("data-folder-unusable");
  expect(failure.message).toContain("is there already");
  expect(failure.message).not.toContain("second");
  expect(readFileSync(path, "utf8")).toBe("first");
  expect(readdirSync(folder)).toEqual(["pin"]);
});

test("does not write a secret through a link", () => {
  const folder = freshFolder();
  const target = join(folder, "elsewhere");
  symlinkSync(target, join(folder, "pin"));
  expect(() => writeSecretFile(join(folder, "pin"), "secret")).toThrow(Failure);
  expect(readdirSync(folder)).toEqual(["pin"]);
});

function refusalOf(action: () => unknown): Failure {
  try {
    action();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}
