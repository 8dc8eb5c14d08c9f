import pkcs11js from "pkcs11js";
import type { Handle, Template } from "pkcs11js";
import type { Outcome, TokenUse, TokenUserStart } from "./token-user.ts";

/*
 * A process that loads a PKCS#11 module, logs in to one token and does with it what its parent says, one thing after
 * another: `token-user.ts` starts it. The native module of a token never runs in the process of a test.
 */
const CKF_OS_LOCKING_OK = 2;
/** pkcs11js passes on all but the last character of the library parameters. */
const LOST = " ";

const pkcs11 = new pkcs11js.PKCS11();
let session: Handle;
let wrappingKey: Handle;
let key: Handle;
let wrapped: Buffer;
let use: TokenUserStart;

const sessionKey: Template = [
  { type: pkcs11js.CKA_TOKEN, value: false },
  { type: pkcs11js.CKA_PRIVATE, value: true },
  { type: pkcs11js.CKA_SENSITIVE, value: true },
  { type: pkcs11js.CKA_EXTRACTABLE, value: true },
  { type: pkcs11js.CKA_VALUE_LEN, value: 32 },
];

function start(started: TokenUserStart): void {
  use = started;
  const { module, libraryParameters, label, pin } = use;
  pkcs11.load(module);
  const parameters = libraryParameters === undefined ? {} : { libraryParameters: libraryParameters + LOST };
  pkcs11.C_Initialize({ flags: CKF_OS_LOCKING_OK, ...parameters });
  const slot = pkcs11
    .C_GetSlotList(true)
    .find((candidate) => pkcs11.C_GetTokenInfo(candidate).label.trimEnd() === label);
  if (slot === undefined) throw new Error(`there is no token ${label}`);
  session = pkcs11.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION);
  pkcs11.C_Login(session, pkcs11js.CKU_USER, pin);
  const generate = { mechanism: pkcs11js.CKM_AES_KEY_GEN };
  const wrapping = { type: pkcs11js.CKA_WRAP, value: true };
  wrappingKey = pkcs11.C_GenerateKey(session, generate, [...sessionKey, wrapping]);
  key = pkcs11.C_GenerateKey(session, generate, sessionKey);
  wrapped = wrap();
}

function wrap(): Buffer {
  const mechanism = { mechanism: use.wrapMechanism };
  return Buffer.from(pkcs11.C_WrapKey(session, mechanism, wrappingKey, key, Buffer.alloc(64)));
}

const USES: Readonly<Record<TokenUse["does"], (given: TokenUse) => unknown>> = {
  random: () => pkcs11.C_GenerateRandom(session, Buffer.alloc(16)).length,
  wrap: () => bitsThatDiffer(wrap(), wrapped),
  logIn: () => {
    pkcs11.C_Logout(session);
    pkcs11.C_Login(session, pkcs11js.CKU_USER, use.pin);
  },
  mechanisms: () => pkcs11.C_GetMechanismList(pkcs11.C_GetSessionInfo(session).slotID),
  serial: () => pkcs11.C_GetTokenInfo(pkcs11.C_GetSessionInfo(session).slotID).serialNumber.trimEnd(),
  makeTokenKey: ({ label = "" }) => {
    const template = sessionKey.filter(({ type }) => type !== pkcs11js.CKA_TOKEN);
    const lasting = { type: pkcs11js.CKA_TOKEN, value: true };
    const named = { type: pkcs11js.CKA_LABEL, value: label };
    const generate = { mechanism: pkcs11js.CKM_AES_KEY_GEN };
    pkcs11.C_GenerateKey(session, generate, [...template, lasting, named]);
  },
  tokenKeys: () => {
    pkcs11.C_FindObjectsInit(session, [
      { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_SECRET_KEY },
      { type: pkcs11js.CKA_TOKEN, value: true },
    ]);
    const found = pkcs11.C_FindObjects(session, 100);
    pkcs11.C_FindObjectsFinal(session);
    return found.map((object) => {
      const [label] = pkcs11.C_GetAttributeValue(session, object, [{ type: pkcs11js.CKA_LABEL }]);
      return String(label?.value);
    });
  },
};

/** The wrap mechanisms of these tests give the same bytes for the same keys. */
function bitsThatDiffer(a: Buffer, b: Buffer): number {
  let bits = a.length === b.length ? 0 : Number.NaN;
  for (const [i, byte] of a.entries()) {
    for (let differ = byte ^ (b[i] ?? 0); differ !== 0; differ >>= 1) bits += differ & 1;
  }
  return bits;
}

function outcome(run: () => unknown): Outcome {
  try {
    return { rv: 0, value: run() };
  } catch (error) {
    // Some functions of pkcs11js throw a plain Error, `CKR_NAME:number`.
    const rv =
      error instanceof pkcs11js.Pkcs11Error
        ? error.code
        : /^CKR_\w+:(\d+)/.exec(String(error instanceof Error && error.message))?.[1];
    if (rv === undefined) throw error;
    return { rv: Number(rv) };
  }
}

process.on("message", (message: TokenUserStart | TokenUse) => {
  const outcomes =
    "does" in message
      ? Array.from({ length: message.times ?? 1 }, () => outcome(() => USES[message.does](message)))
      : [outcome(() => start(message))];
  process.send?.(outcomes);
});
