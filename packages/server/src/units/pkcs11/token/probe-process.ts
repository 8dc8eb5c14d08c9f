import { readFileSync, writeSync } from "node:fs";
import { Failure } from "../../../core/errors.ts";
import type { ProbeMessage, ProbeOrder } from "../probe-token.ts";
import { TokenError } from "./module.ts";
import { probe } from "./probe.ts";
import { TokenSession } from "./token-session.ts";
import { TokenTrouble } from "../host/outcomes.ts";

/*
 * The process that a probe runs in, for a module may crash or hang: `../probe-token.ts` starts it. The order is its only
 * argument, the PIN its standard input. It says what it does next, and at last what it found, a line each, written at once.
 */

const REPORTS = 3;

const { module, place } = JSON.parse(process.argv[2] ?? "") as ProbeOrder;
const pin = readFileSync(0);
try {
  const token = new TokenSession(module, place, pin, () => {});
  token.open();
  const facts = probe(token, Date.now(), (step) => report({ step }));
  report({ step: "Closing the session" });
  token.close();
  report({ facts });
} catch (error) {
  report({ failure: failureOf(error) });
} finally {
  pin.fill(0);
}

function report(message: ProbeMessage): void {
  writeSync(REPORTS, `${JSON.stringify(message)}\n`);
}

function failureOf(error: unknown): { readonly code: Failure["code"]; readonly message: string } {
  if (error instanceof Failure) return { code: error.code, message: error.message };
  if (error instanceof TokenTrouble || error instanceof TokenError)
    return { code: "unit-unreachable", message: error.message };
  return { code: "internal", message: `a fault of the probe: ${String(error)}` };
}
