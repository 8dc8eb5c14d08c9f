import { randomUUID } from "node:crypto";
import type { KeyView, PrincipalView, ProjectView, RouteName } from "@claviger/api";
import type { Handlers } from "./canned-reply.ts";
import { Refusal, now, randomPattern } from "./canned-reply.ts";

type Hierarchy = Extract<
  RouteName,
  | `${string}Project${string}`
  | `${string}Key`
  | `${string}Keys`
  | `${string}Principal${string}`
  | "encrypt"
  | "decrypt"
  | "getStatus"
  | "getCensus"
>;
type Own = Exclude<Hierarchy, `${string}MasterKey`>;

/** What it calls ciphertext: what went in, so that it can be told apart. Never do that. */
interface Sealed {
  readonly project: string;
  readonly key: string;
  readonly keyVersion: number;
  readonly plaintext: string;
  readonly context: string;
}

export function hierarchyHandlers(): Handlers<Own> {
  const projects = new Map<string, ProjectView>();
  const keys = new Map<string, KeyView>();
  const principals: PrincipalView[] = [];
  const current = randomPattern();

  const inProject = (project: string): ProjectView => {
    const found = projects.get(project);
    if (found !== undefined) return found;
    throw new Refusal(
      404,
      "project-not-found",
      "absent",
      "There is no such project.",
      "List the projects with `claviger project list`.",
    );
  };
  const keyOf = (project: string, name: string): KeyView => {
    inProject(project);
    const found = keys.get(`${project}/${name}`);
    if (found === undefined)
      throw new Refusal(
        404,
        "key-not-found",
        "absent",
        "There is no such key in this project.",
        "List the keys with `claviger key list`.",
      );
    return found;
  };
  const put = (project: string, key: KeyView): KeyView => {
    keys.set(`${project}/${key.name}`, key);
    return key;
  };
  const usable = (project: string, name: string): KeyView => {
    const key = keyOf(project, name);
    if (key.state === "enabled") return key;
    throw new Refusal(
      409,
      "key-disabled",
      "conflict",
      "The key is disabled.",
      "Enable it with `claviger key enable`, or use another key.",
    );
  };
  const seal = (project: string, name: string, plaintext: string, context: object = {}) => {
    const key = usable(project, name);
    const sealed: Sealed = {
      project,
      key: name,
      keyVersion: key.currentVersion,
      plaintext,
      context: JSON.stringify(context),
    };
    const ciphertext = Buffer.from(JSON.stringify(sealed)).toString("base64");
    return { ciphertext, keyId: key.id, keyVersion: key.currentVersion };
  };

  return {
    getStatus: () => ({
      version: "0.1.0",
      ready: true,
      reasons: [],
      groups: [
        {
          group: "default",
          type: "WK",
          current,
          openChange: null,
          keks: projects.size,
          unitsServing: 1,
          units: 1,
        },
      ],
    }),
    getCensus: () => ({
      group: "default",
      type: "WK",
      total: projects.size,
      patterns: [{ vp: current, current: projects.size, next: 0, previous: 0 }],
    }),
    createProject: ({ body: { name } }) => {
      if (projects.has(name))
        throw new Refusal(
          409,
          "project-exists",
          "conflict",
          "A project of that name exists already.",
          "Choose another name.",
        );
      const project = { id: randomUUID(), name, createdAt: now() };
      projects.set(name, project);
      return project;
    },
    listProjects: ({ query: { limit, after } }) => {
      const all = [...projects.values()].filter(({ name }) => after === undefined || name > after);
      const items = all.slice(0, Number(limit ?? 100));
      return { items, next: items.length < all.length ? (items.at(-1)?.name ?? null) : null };
    },
    createKey: ({ params: { project }, body: { name } }) =>
      put(project, {
        id: randomUUID(),
        projectId: inProject(project).id,
        name,
        spec: "AES_256",
        usage: "ENCRYPT_DECRYPT",
        state: "enabled",
        currentVersion: 1,
        createdAt: now(),
      }),
    listKeys: ({ params: { project } }) => ({
      items: [...keys]
        .filter(([path]) => path.startsWith(`${inProject(project).name}/`))
        .map(([, key]) => key),
      next: null,
    }),
    getKey: ({ params: { project, key } }) => keyOf(project, key),
    rotateKey: ({ params: { project, key } }) => {
      const found = keyOf(project, key);
      return put(project, { ...found, currentVersion: found.currentVersion + 1 });
    },
    enableKey: ({ params: { project, key } }) => put(project, { ...keyOf(project, key), state: "enabled" }),
    disableKey: ({ params: { project, key } }) => put(project, { ...keyOf(project, key), state: "disabled" }),
    encrypt: ({ params: { project, key }, body: { plaintext, context } }) =>
      seal(project, key, plaintext, context),
    generateDataKey: ({ params: { project, key }, body: { lengthBytes = 32, context } }) => {
      const plaintext = Buffer.alloc(lengthBytes, 1).toString("base64");
      return { plaintext, ...seal(project, key, plaintext, context) };
    },
    decrypt: ({ params: { project }, body: { ciphertext, context = {} } }) => {
      const refused = () =>
        new Refusal(
          400,
          "ciphertext-refused",
          "invalid",
          "The ciphertext cannot be decrypted with what was given.",
          "Check that it is complete, and that project and encryption context are those of its encryption.",
        );
      const text = Buffer.from(ciphertext, "base64").toString();
      if (!text.startsWith("{")) throw refused();
      const sealed = JSON.parse(text) as Sealed;
      if (sealed.project !== project || sealed.context !== JSON.stringify(context)) throw refused();
      return {
        plaintext: sealed.plaintext,
        keyId: usable(project, sealed.key).id,
        keyVersion: sealed.keyVersion,
      };
    },
    createPrincipal: ({ body: { name, roles } }) => {
      const principal = { id: randomUUID(), name, roles, createdAt: now() };
      principals.push(principal);
      return { principal, token: `clv_${randomPattern()}` };
    },
    listPrincipals: () => ({ items: principals }),
  };
}
