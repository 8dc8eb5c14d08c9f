import { ClavigerClient, PROJECT_ROLES, ROLES } from "@claviger/sdk";
import type { Role } from "@claviger/sdk";
import { ROUTES } from "@claviger/api";
import type { GuardedRouteName } from "@claviger/api";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Requirement } from "../../packages/server/src/core/access/admission.ts";
import { ROUTE_ROLES } from "../../packages/server/src/protocols/native/roles.ts";
import type { TestDaemon } from "../daemon.ts";
import { startTestDaemon } from "../daemon.ts";

/*
 * Who may call what, tried out on the real daemon: every route, by every role (for the service, for the project that is
 * asked for, for another one, and in pairs), with keys in every state, for a project of one's own, of others, and one
 * that is not there. What is expected is said here once more, in other words than those of the code.
 */

type Place = "mine" | "theirs" | "nowhere";
type Scope = "service" | "mine";
interface Caller {
  readonly name: string;
  readonly grants: readonly { readonly role: Role; readonly scope: Scope }[];
  token: string;
}

const NAMES = Object.keys(ROUTE_ROLES) as GuardedRouteName[];
const SEEING: readonly Role[] = ["administrator", "key-admin", "key-user", "auditor"];
const KEY_STATES = ["enabled", "disabled", "missing"] as const;
/** What a key in that state says to who may use it. */
const SAID_BY_STATE = { enabled: "", disabled: "key-disabled", missing: "key-not-found" } as const;

const SINGLE = ROLES.map((role) => [{ role, scope: "service" as const }]);
const SCOPED = PROJECT_ROLES.map((role) => [{ role, scope: "mine" as const }]);
const PAIRS = ROLES.flatMap((role) =>
  PROJECT_ROLES.map((other) => [
    { role, scope: "service" as const },
    { role: other, scope: "mine" as const },
  ]),
);
const CALLERS: Caller[] = [...SINGLE, ...SCOPED, ...PAIRS].map((grants, i) => ({
  name: `caller-${i}`,
  grants,
  token: "",
}));

let daemon: TestDaemon;
let admin: ClavigerClient;
const projectIds: Record<Place, string> = {
  mine: "",
  theirs: "",
  nowhere: "00000000-0000-4000-8000-000000000000",
};
const ciphertexts = new Map<string, string>();

beforeAll(async () => {
  daemon = await startTestDaemon();
  admin = new ClavigerClient(daemon);
  for (const name of ["mine", "theirs"] as const) {
    projectIds[name] = (await admin.projects.create({ name })).id;
    for (const key of ["enabled", "disabled"]) {
      await admin.keys.create({ project: name, name: key });
      const { ciphertext } = await admin.keys.encrypt({ project: name, key, plaintext: Buffer.from("x") });
      ciphertexts.set(`${name}/${key}`, Buffer.from(ciphertext).toString("base64"));
    }
    await admin.keys.disable({ project: name, key: "disabled" });
  }
  for (const caller of CALLERS) {
    const grants = caller.grants.map(({ role, scope }) => ({
      role,
      ...(scope === "mine" && { project: "mine" }),
    }));
    caller.token = (await admin.principals.create({ name: caller.name, grants })).token;
  }
});

afterAll(async () => {
  admin.close();
  await daemon[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number;
  readonly code: string;
  /** Without what differs from request to request. */
  readonly text: string;
}

async function send(method: string, path: string, token: string, body?: object): Promise<Answer> {
  const reply = await fetch(daemon.address + path, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  const { error } = JSON.parse(text) as { error?: { code: string; requestId: string } };
  return { status: reply.status, code: error?.code ?? "", text: text.replace(error?.requestId ?? "", "") };
}

/** What the route needs has been checked when it complains of this, and nothing has been done. */
function probe(route: GuardedRouteName, project: string): [method: string, path: string, body?: object] {
  const { method, path } = ROUTES[route];
  const url = path
    .replace(":project", project)
    .replace(":principal", "administrator")
    .replace(/:(?:key|unit|change|token)\b/g, "enabled");
  return method === "GET" ? [method, `${url}?probe=1`] : [method, url, { probe: 1 }];
}

/** What should come of it: undefined is that the caller is let in. */
function refusal(caller: Caller, route: GuardedRouteName, place: Place): string | undefined {
  const { concern, roles }: Requirement = ROUTE_ROLES[route];
  const may = (scope: Scope, among: readonly Role[]) =>
    caller.grants.some((grant) => grant.scope === scope && among.includes(grant.role));
  if (concern === "own" || may("service", roles)) return undefined;
  if (concern !== "project") return "forbidden";
  if (!may("mine", roles)) return "forbidden";
  if (place === "mine") return undefined;
  return place === "theirs" && may("service", SEEING) ? "forbidden" : "project-not-found";
}

let cases = 0;

it("lets in whom the table lets in, and nobody else, whatever the project and however it is named", async () => {
  for (const caller of CALLERS) {
    for (const route of NAMES) {
      const places: readonly Place[] = ROUTES[route].path.includes(":project")
        ? ["mine", "theirs", "nowhere"]
        : ["mine"];
      for (const place of places) {
        for (const ref of new Set([place === "nowhere" ? "no-such-project" : place, projectIds[place]])) {
          const [method, path, body] = probe(route, ref);
          const answer = await send(method, path, caller.token, body);
          const expected = refusal(caller, route, place) ?? "invalid-request";
          const what = `${route} in ${place} as ${JSON.stringify(caller.grants)}: ${answer.text}`;
          expect(answer.code, what).toBe(expected);
          cases += 1;
        }
      }
    }
  }
});

it("answers for a key as its state says, where it lets in, and never otherwise", async () => {
  const uses = {
    encrypt: (key: string) => [`/keys/${key}/encrypt`, { plaintext: "" }] as const,
    generateDataKey: (key: string) => [`/keys/${key}/data-key`, {}] as const,
    decrypt: (key: string, place: string) =>
      [
        "/decrypt",
        { ciphertext: ciphertexts.get(`${place}/${key}`) ?? ciphertexts.get(`mine/${key}`) },
      ] as const,
  };
  for (const caller of CALLERS) {
    for (const [route, use] of Object.entries(uses) as [
      keyof typeof uses,
      (typeof uses)[keyof typeof uses],
    ][]) {
      for (const place of ["mine", "theirs", "nowhere"] as const) {
        for (const state of KEY_STATES) {
          for (const ref of new Set([place === "nowhere" ? "no-such-project" : place, projectIds[place]])) {
            const [path, body] = use(state, place);
            const answer = await send("POST", `/v1/projects/${ref}${path}`, caller.token, body);
            if (route === "decrypt" && state === "missing") continue; // a ciphertext names its key itself
            const byState = place === "nowhere" ? "project-not-found" : SAID_BY_STATE[state];
            const expected = refusal(caller, route, place) ?? byState;
            expect(answer.code, `${route} ${state} in ${place} as ${JSON.stringify(caller.grants)}`).toBe(
              expected,
            );
            cases += 1;
          }
        }
      }
    }
  }
});

it("refuses every route to who was somebody once", async () => {
  const former = async (name: string, end: (tokenId: string) => Promise<unknown>) => {
    const made = await admin.principals.create({ name, grants: [{ role: "administrator" }] });
    await end(made.tokenId);
    return made.token;
  };
  const tokens = {
    "token-revoked": await former("revoked", (id) => admin.principals.revokeToken("revoked", id)),
    "principal-disabled": await former("disabled", () => admin.principals.disable("disabled")),
    unauthenticated: "clv_never-given-to-anybody",
  };
  for (const [code, token] of Object.entries(tokens)) {
    for (const route of NAMES) {
      for (const place of ["mine", "nowhere"] as const) {
        const [method, path, body] = probe(route, projectIds[place]);
        expect((await send(method, path, token, body)).code, route).toBe(code);
        cases += 1;
      }
    }
  }
});

it("a project of others and one that is not there are the same to whom neither concerns, to the letter", async () => {
  for (const caller of CALLERS) {
    if (caller.grants.some(({ role, scope }) => scope === "service" && SEEING.includes(role))) continue;
    for (const route of NAMES.filter((name) => ROUTES[name].path.includes(":project"))) {
      const [theirs, nowhere] = await Promise.all(
        [projectIds.theirs, projectIds.nowhere].map((id) => {
          const [method, path, body] = probe(route, id);
          return send(method, path, caller.token, body);
        }),
      );
      expect(theirs, `${route} as ${JSON.stringify(caller.grants)}`).toEqual(nowhere);
      cases += 1;
    }
  }
});

it("lists to each only the projects it may see", async () => {
  for (const caller of CALLERS) {
    using client = new ClavigerClient({ address: daemon.address, token: caller.token });
    const names = (await client.projects.list()).items.map(({ name }) => name).toSorted();
    const all = caller.grants.some(({ role, scope }) => scope === "service" && SEEING.includes(role));
    const some = caller.grants.some(({ scope }) => scope === "mine");
    expect(names, JSON.stringify(caller.grants)).toEqual(all ? ["mine", "theirs"] : some ? ["mine"] : []);
    cases += 1;
  }
});

it("that were at least 5,000 cases", () => {
  expect(cases).toBeGreaterThanOrEqual(5_000);
});
