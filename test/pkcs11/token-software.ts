import { existsSync, globSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * The software tokens of the tests, by their names in CLAVIGER_TEST_WITHOUT: the program that makes a token, the places
 * of the PKCS#11 module on Debian, Fedora and where `make install` puts it, and the Debian packages that have both.
 */
export const TOKEN_SOFTWARE = {
  softhsm2: {
    called: "SoftHSM 2",
    program: "softhsm2-util",
    modules: [
      "/usr/lib/softhsm/libsofthsm2.so",
      "/usr/lib64/pkcs11/libsofthsm2.so",
      "/usr/local/lib/softhsm/libsofthsm2.so",
    ],
    debian: ["softhsm2"],
  },
  nss: {
    called: "NSS softokn",
    program: "certutil",
    modules: ["/usr/lib/*-linux-gnu/{,nss/}libsoftokn3.so", "/usr/lib64/libsoftokn3.so"],
    debian: ["libnss3", "libnss3-tools"],
  },
} as const;

export type TokenSoftwareName = keyof typeof TOKEN_SOFTWARE;

export interface TokenSoftware {
  /** Path of the program that makes a token. */
  readonly program: string;
  /** Path of the PKCS#11 module. */
  readonly module: string;
}

/** Undefined if this machine lacks the program or the module. */
export function findTokenSoftware(name: TokenSoftwareName): TokenSoftware | undefined {
  const software = TOKEN_SOFTWARE[name];
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const program = folders.map((folder) => join(folder, software.program)).find((path) => existsSync(path));
  const [module] = globSync([...software.modules]);
  return program === undefined || module === undefined ? undefined : { program, module };
}

export function needTokenSoftware(name: TokenSoftwareName): TokenSoftware {
  const found = findTokenSoftware(name);
  if (found === undefined) {
    const { called, program, debian } = TOKEN_SOFTWARE[name];
    throw new Error(
      `${called} is needed: install it (Debian: apt-get install ${debian.join(" ")}; ${program} in the path), or name ` +
        `${name} in CLAVIGER_TEST_WITHOUT`,
    );
  }
  return found;
}
