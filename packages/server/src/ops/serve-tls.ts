import { isFailure } from "../core/errors.ts";
import type { PresentFailure } from "../http/raw-reply.ts";
import { TlsFront } from "../http/tls-front.ts";
import type { TlsFiles } from "./config.ts";
import type { Logger } from "./log.ts";
import type { LoadedTls } from "./tls-material.ts";
import { listsOutOfValidity, loadTlsMaterial, outOfValidity } from "./tls-material.ts";

export interface ServedTls {
  readonly front: TlsFront;
  /** Reads the files again, for connections to come. Where they cannot be used, the log says why and nothing changes. */
  readonly reload: () => void;
}

/** The TLS front that shows and accepts what is in the files. Throws Failure `config-invalid`. */
export function serveTls(files: TlsFiles, presentFailure: PresentFailure, log: Logger): ServedTls {
  const first = loadTlsMaterial(files);
  warnOfValidity(first, log);
  const front = new TlsFront(first.material, presentFailure);
  const reload = (): void => {
    try {
      const loaded = loadTlsMaterial(files);
      front.replace(loaded.material);
      warnOfValidity(loaded, log);
      log.info({ validTo: loaded.validTo.toISOString() }, "TLS: the files were read again.");
    } catch (error) {
      if (!isFailure(error)) throw error;
      log.error({ code: error.code, field: error.field }, `TLS goes on as before: ${error.message}`);
    }
  };
  return { front, reload };
}

/** It serves all the same: clients will refuse it, and a daemon that does not start would not tell them why. */
function warnOfValidity(loaded: LoadedTls, log: Logger): void {
  const complaint = outOfValidity(loaded, new Date());
  if (complaint !== undefined) log.error({ alarm: "tls-certificate" }, `TLS: ${complaint}.`);
  const ofLists = listsOutOfValidity(loaded, new Date());
  if (ofLists !== undefined) log.error({ alarm: "tls-client-crl" }, `TLS: ${ofLists}.`);
}
