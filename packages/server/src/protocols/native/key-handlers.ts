import { cancelKeyDeletion } from "../../core/operations/cancel-key-deletion.ts";
import { createImportToken } from "../../core/operations/create-import-token.ts";
import { createKey } from "../../core/operations/create-key.ts";
import { importKeyMaterial } from "../../core/operations/import-key-material.ts";
import { rotateKey } from "../../core/operations/rotate-key.ts";
import { scheduleKeyDeletion } from "../../core/operations/schedule-key-deletion.ts";
import type { ServicePorts } from "../../core/operations/service-ports.ts";
import { setKeyState } from "../../core/operations/set-key-state.ts";
import { namesIn } from "./names-in.ts";
import { pageInput, pageView } from "./page-view.ts";
import type { NativeHandlers } from "./call.ts";
import { importTokenView, keyView } from "./translate.ts";

type KeyRoute =
  | "createKey"
  | "listKeys"
  | "getKey"
  | "rotateKey"
  | "enableKey"
  | "disableKey"
  | "scheduleKeyDeletion"
  | "cancelKeyDeletion"
  | "createImportToken"
  | "importKey";

/** The routes of keys, from creation to deletion. */
export function keyHandlers(ports: ServicePorts): Pick<NativeHandlers, KeyRoute> {
  const { store } = ports;
  const { projectNamed, keyNamed } = namesIn(ports.keys);

  return {
    createKey: async ({ params, body }, _caller, touched) => {
      const project = await projectNamed(params, touched);
      touched.asked = body.name;
      return keyView(await createKey(ports, { project, ...body }));
    },
    listKeys: async ({ params, query }, _caller, touched) => {
      const project = await projectNamed(params, touched);
      const destroyed = query.include === "destroyed";
      const page = { projectId: project.id, destroyed, ...pageInput(query) };
      return pageView(await store.listKeys(page), keyView);
    },
    getKey: async ({ params }, _caller, touched) => keyView((await keyNamed(params, touched)).key),
    rotateKey: async ({ params }, _caller, touched) =>
      keyView(await rotateKey(ports, await keyNamed(params, touched))),
    enableKey: async ({ params }, _caller, touched) =>
      keyView(await setKeyState(ports, { key: (await keyNamed(params, touched)).key, state: "enabled" })),
    disableKey: async ({ params }, _caller, touched) =>
      keyView(await setKeyState(ports, { key: (await keyNamed(params, touched)).key, state: "disabled" })),
    scheduleKeyDeletion: async ({ params, body }, _caller, touched) => {
      const { key } = await keyNamed(params, touched);
      return keyView(await scheduleKeyDeletion(ports, { key, days: body.days }));
    },
    cancelKeyDeletion: async ({ params }, _caller, touched) =>
      keyView(await cancelKeyDeletion(ports, await keyNamed(params, touched))),
    createImportToken: async ({ params }, _caller, touched) =>
      importTokenView(await createImportToken(ports, await keyNamed(params, touched))),
    importKey: async ({ params, body }, _caller, touched) => {
      const { key } = await keyNamed(params, touched);
      const { token: tokenId, algorithm } = body;
      const wrapped = Buffer.from(body.wrapped, "base64");
      return keyView(await importKeyMaterial(ports, { key, tokenId, algorithm, wrapped }));
    },
  };
}
