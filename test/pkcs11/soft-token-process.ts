import { globSync } from "node:fs";
import { probeToken } from "../../packages/server/src/units/pkcs11/probe-token.ts";

/* Prints what the soft token can do that soft-token.sh has started. */
const [modulePath] = globSync("/usr/lib{/*-linux-gnu,64,}{/pkcs11,/opencryptoki,}/libopencryptoki.so");
if (modulePath === undefined) throw new Error("openCryptoki's module is not where it used to be");
const facts = await probeToken({ modulePath, pinFile: "/run/pin", token: "claviger" }, {});
process.stdout.write(JSON.stringify(facts));
