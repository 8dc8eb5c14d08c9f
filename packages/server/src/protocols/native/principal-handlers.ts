import type { RouteInput } from "@claviger/api";
import type { Grant, PrincipalRecord } from "../../core/access/principal.ts";
import type { TokenId } from "../../core/ids.ts";
import { bindCertificate, unbindCertificate } from "../../core/operations/bind-certificate.ts";
import {
  changePrincipal,
  principalNamed,
  withGrant,
  withIdentity,
  withoutGrant,
} from "../../core/operations/change-principal.ts";
import { createPrincipal } from "../../core/operations/create-principal.ts";
import { createToken } from "../../core/operations/create-token.ts";
import { revokeToken } from "../../core/operations/revoke-token.ts";
import type { ServicePorts } from "../../core/operations/service-ports.ts";
import { pageInput, pageView } from "./page-view.ts";
import type { NativeHandlers } from "./call.ts";
import { principalView, tokenView } from "./translate.ts";

type PrincipalRoute =
  | "createPrincipal"
  | "listPrincipals"
  | "getPrincipal"
  | "whoAmI"
  | "enablePrincipal"
  | "disablePrincipal"
  | "grantRole"
  | "withdrawRole"
  | "limitPrincipal"
  | "linkIdentity"
  | "unlinkIdentity"
  | "bindCertificate"
  | "unbindCertificate"
  | "createToken"
  | "listTokens"
  | "revokeToken";

/** The routes of principals and their tokens. */
export function principalHandlers(ports: ServicePorts): Pick<NativeHandlers, PrincipalRoute> {
  const { clock, keys, store } = ports;

  const grantOf = async ({ role, project }: RouteInput<"grantRole">["body"]): Promise<Grant> => ({
    role,
    projectId: project === undefined ? undefined : (await keys.project(project)).id,
  });
  const endOf = (seconds: number | undefined) =>
    seconds === undefined ? undefined : clock.nowMs() + seconds * 1000;
  const change = async (
    { params }: { readonly params: { readonly principal: string } },
    changed: (principal: PrincipalRecord) => Partial<PrincipalRecord>,
  ) => principalView(await changePrincipal(ports, { principal: params.principal, change: changed }));

  return {
    createPrincipal: async ({ body }) => {
      let grants: readonly Grant[] = [];
      for (const grant of body.grants) grants = withGrant(grants, await grantOf(grant));
      const { principal, record, token } = await createPrincipal(ports, {
        name: body.name,
        kind: body.kind ?? "service",
        grants,
        requestsPerSecond: body.requestsPerSecond,
        expiresAtMs: endOf(body.expiresInSeconds),
      });
      return { principal: principalView(principal), tokenId: record.id, token };
    },
    listPrincipals: async ({ query }) =>
      pageView(await store.listPrincipals(pageInput(query)), principalView),
    getPrincipal: async ({ params }) => principalView(await principalNamed(ports, params.principal)),
    whoAmI: async (_input, caller) => principalView(await principalNamed(ports, caller.id)),
    enablePrincipal: (input) => change(input, () => ({ state: "enabled" })),
    disablePrincipal: (input) => change(input, () => ({ state: "disabled" })),
    grantRole: async (input) => {
      const grant = await grantOf(input.body);
      return change(input, ({ grants }) => ({ grants: withGrant(grants, grant) }));
    },
    withdrawRole: async (input) => {
      const grant = await grantOf(input.body);
      return change(input, ({ grants }) => ({ grants: withoutGrant(grants, grant) }));
    },
    limitPrincipal: (input) => change(input, () => ({ requestsPerSecond: input.body.requestsPerSecond })),

    linkIdentity: (input) => change(input, (principal) => withIdentity(principal, input.body)),
    unlinkIdentity: (input) => change(input, () => ({ identity: undefined })),
    bindCertificate: async ({ params, body }, caller) =>
      principalView(await bindCertificate(ports, { ...params, certificate: body.fingerprint, caller })),
    unbindCertificate: async ({ params }, caller) =>
      principalView(await unbindCertificate(ports, { ...params, caller })),

    createToken: async ({ params, body }, caller) => {
      const principal = await principalNamed(ports, params.principal);
      const { record, token } = await createToken(ports, {
        principal,
        label: body.label ?? "",
        expiresAtMs: endOf(body.expiresInSeconds),
        atMostMs: principal.id === caller.id ? caller.token?.expiresAtMs : undefined,
      });
      return { record: tokenView(record, clock.nowMs()), token };
    },
    listTokens: async ({ params }) => {
      const { id } = await principalNamed(ports, params.principal);
      const tokens = await store.listTokens({ principalId: id });
      return { items: tokens.map((token) => tokenView(token, clock.nowMs())) };
    },
    revokeToken: async ({ params }) => {
      const of = await principalNamed(ports, params.principal);
      const token = await revokeToken(ports, { token: params.token as TokenId, of });
      return tokenView(token, clock.nowMs());
    },
  };
}
