import type { Principal, PrincipalRecord } from "../access/principal.ts";
import { Failure } from "../errors.ts";
import type { PrincipalPorts } from "./change-principal.ts";
import { changePrincipal } from "./change-principal.ts";

/*
 * Nobody is locked out by one command:
 * - whoever binds himself to a certificate has proved it on the connection that he calls over, so that the next call
 *   succeeds as this one did; others, whom he binds to a wrong one, he can free again;
 * - whoever frees himself of his certificate has called with a token, which goes on to prove him.
 */

/**
 * Binds a principal to a client certificate, at once for all of its tokens.
 * @throws Failure `certificate-not-proved`, and those of changePrincipal.
 */
export async function bindCertificate(
  ports: PrincipalPorts,
  input: { readonly principal: string; readonly certificate: string; readonly caller: Principal },
): Promise<PrincipalRecord> {
  const { principal, certificate, caller } = input;
  return await changePrincipal(ports, {
    principal,
    change: ({ id }) => {
      if (id === caller.id && caller.certificate !== certificate)
        throw new Failure("certificate-not-proved", undefined, { field: "fingerprint" });
      return { certificate };
    },
  });
}

/**
 * Frees a principal of its client certificate: from then on its tokens alone prove it.
 * @throws Failure `credential-needed`, and those of changePrincipal.
 */
export async function unbindCertificate(
  ports: PrincipalPorts,
  { principal, caller }: { readonly principal: string; readonly caller: Principal },
): Promise<PrincipalRecord> {
  return await changePrincipal(ports, {
    principal,
    change: ({ id }) => {
      if (id === caller.id && caller.token === undefined) throw new Failure("credential-needed");
      return { certificate: undefined };
    },
  });
}
