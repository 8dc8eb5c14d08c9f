import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../../core/errors.ts";
import type { UnitAddress } from "../../core/ids.ts";
import { isUnitAddress } from "../../core/ids.ts";
import type { UnitFolder } from "../../core/ports/unit-folder.ts";
import type { Attachment } from "./attachment-file.ts";
import { encodeAttachment, readAttachment } from "./attachment-file.ts";
import type { OpenPkcs11Unit, TokenOpener } from "./open-pkcs11-unit.ts";
import { createPkcs11Unit, openPkcs11Unit } from "./open-pkcs11-unit.ts";
import type { TokenRules, TokenWithPin } from "./token-rules.ts";
import { checkPinFile, checkTokenRules, configuredToken, requestedToken } from "./token-rules.ts";

const ATTACHMENT_SUFFIX = ".pkcs11";
/** Behind the name of an attachment that is set aside. It holds no key: of several only the last one is kept. */
const MARK = ".removed";
/** Folder of what a unit remembers beside its token. It stays when the unit goes: a refused PIN is not to be tried again. */
const STATE_SUFFIX = ".token";

export interface Pkcs11UnitFolderOptions {
  /** Folder of the attachments. */
  readonly units: string;
  readonly rules: TokenRules;
  /** Writes a file for its owner only, durably; refuses to replace one. */
  readonly writeSecretFile: (path: string, content: string) => void;
  /** Gives a file another name, durably; leaves one that is not there. */
  readonly renameDurably: (from: string, to: string) => void;
  readonly opener?: TokenOpener;
  /** Takes a sentence about a unit for the log. */
  readonly onTrouble?: (text: string) => void;
}

const REAL: TokenOpener = { create: createPkcs11Unit, open: openPkcs11Unit };

/**
 * Tokens that are attached as units, each by a note in `<units>/<address>.pkcs11`. Where the configuration names a token
 * for the address, that is the one that is opened: a module or a PIN file may be moved. The keys are in the tokens, and
 * stay there when an attachment is set aside.
 * @throws Failure `config-invalid` for a URI in the configuration that cannot be read.
 */
export function pkcs11UnitFolder(options: Pkcs11UnitFolderOptions): UnitFolder {
  const { rules, opener = REAL, onTrouble } = options;
  const { environment, hosts } = rules;
  checkTokenRules(rules);
  const attachmentPath = (address: UnitAddress) => join(options.units, address + ATTACHMENT_SUFFIX);

  const given = (address: UnitAddress, attachment: Attachment, location: TokenWithPin): OpenPkcs11Unit => {
    const stateFolder = join(options.units, address + STATE_SUFFIX);
    mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
    const { group, isClonable } = attachment;
    return {
      address,
      group,
      location,
      environment,
      stateFolder,
      isClonable,
      ...(hosts !== undefined && { hosts }),
      ...(onTrouble && { onTrouble: (text: string) => onTrouble(`unit ${address}: ${text}`) }),
    };
  };

  /** The token that the configuration names, else the one of the request or of the attachment. */
  const tokenOf = (address: UnitAddress, uri: string): TokenWithPin => {
    const configured = configuredToken(rules, address);
    if (configured) {
      checkPinFile(configured.pinFile);
      return configured;
    }
    const requested = requestedToken(rules, uri);
    checkPinFile(requested.pinFile, rules.pinFolder);
    return requested;
  };

  return {
    create: async (address, group, attachment) => {
      const path = attachmentPath(address);
      const uri = attachment?.uri ?? rules.units.get(address);
      if (uri === undefined) throw new Failure("invalid-request", `no token is given for unit ${address}`);
      if (attachment && rules.units.has(address))
        throw new Failure(
          "unit-exists",
          `the configuration names the token of unit ${address}: add it by its address alone`,
        );
      const location = tokenOf(address, uri);
      const isClonable = attachment ? attachment.isClonable === true : rules.clonable.includes(address);
      const wanted: Attachment = { group, uri, isClonable };
      const left = existsSync(path) ? readAttachment(path) : undefined;
      if (left && (left.group !== group || (attachment && !isSame(left, wanted))))
        throw new Failure(
          "unit-exists",
          `unit ${address} is attached to another token or group, or with other words about copies`,
        );
      const unit = await opener.create(given(address, left ?? wanted, location));
      if (!left) options.writeSecretFile(path, encodeAttachment(wanted));
      return unit;
    },
    open: async (address) => {
      const attachment = readAttachment(attachmentPath(address));
      return await opener.open(given(address, attachment, tokenOf(address, attachment.uri)));
    },
    list: async () =>
      readdirSync(options.units)
        .filter((name) => name.endsWith(ATTACHMENT_SUFFIX))
        .map((name) => name.slice(0, -ATTACHMENT_SUFFIX.length))
        .filter(isUnitAddress),
    setAside: async (address) => {
      const path = attachmentPath(address);
      options.renameDurably(path, path + MARK);
    },
    reserved: () => [...rules.units.keys()],
  };
}

function isSame(left: Attachment, wanted: Attachment): boolean {
  return left.uri === wanted.uri && left.isClonable === wanted.isClonable;
}
