import { globSync, readFileSync } from "node:fs";
import { SecretBytes } from "../../packages/server/src/core/secret/secret-bytes.ts";
import { openProjectKeyToken } from "../../packages/server/src/units/pkcs11/barbican/open-project-key-token.ts";
import { countKeys, importKeys } from "./token-with-keys.ts";
import { HMAC_KEY, MKEK, openInSoftware, vectorKey } from "./vectors.ts";

/* Prints what becomes of Barbican's oldest rows (CKM_AES_CBC_PAD) in the soft token that soft-token.sh has started. */

const [module] = globSync("/usr/lib{/*-linux-gnu,64,}{/pkcs11,/opencryptoki,}/libopencryptoki.so");
if (module === undefined) throw new Error("openCryptoki's module is not where it used to be");
const pin = readFileSync("/run/pin", "utf8").trim();
const token = { module, environment: {}, label: "claviger", pin };
importKeys(token, [
  { use: "mkek", label: "vmkek", value: MKEK },
  { use: "hmac", label: "vhmac", value: HMAC_KEY },
  // The other way round, which is as good as new ones.
  { use: "mkek", label: "neu", value: HMAC_KEY },
  { use: "hmac", label: "neu", value: MKEK },
]);
const before = countKeys(token);
using secret = new SecretBytes(Buffer.from(pin));
const barbican = await openProjectKeyToken({
  location: { modulePath: module, token: "claviger" },
  pin: secret,
  hmacKeyType: "CKK_GENERIC_SECRET",
  hmacMechanism: "CKM_SHA256_HMAC",
  hosts: 2,
  environment: {},
});
const key = vectorKey(2);
const target = {
  mkekLabel: "neu",
  hmacLabel: "neu",
  mechanism: "CKM_AES_CBC_PAD",
  generatesIv: true,
} as const;
const made = await barbican.rewrap([key, { ...key, hmac: new Uint8Array(32) }], target);
const kwp = await barbican
  .rewrap([key], { ...target, mechanism: "CKM_AES_KEY_WRAP_KWP" })
  .catch((error: { readonly code?: string }) => error.code);
const [verified] = await barbican.verify([key]);
await barbican.close();
process.stdout.write(
  JSON.stringify({
    verified,
    made: made.map((one) =>
      "refused" in one ? one.refused : openInSoftware(one, HMAC_KEY, MKEK).toString("hex"),
    ),
    kwp,
    leftBehind: countKeys(token) - before,
  }),
);
