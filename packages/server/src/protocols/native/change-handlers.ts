import type { Touched } from "../../core/audit/audit-draft.ts";
import type { ChangeId } from "../../core/ids.ts";
import { activateChange } from "../../core/operations/activate-change.ts";
import { approveChange } from "../../core/operations/approve-change.ts";
import { cancelChange } from "../../core/operations/cancel-change.ts";
import type { ChangeInput, ChangePorts } from "../../core/operations/change-ports.ts";
import { createChange } from "../../core/operations/create-change.ts";
import { finalizeChange } from "../../core/operations/finalize-change.ts";
import { planChange } from "../../core/operations/plan-change.ts";
import { purgeChange } from "../../core/operations/purge-change.ts";
import { pauseChange, reencipherChange, resumeChange } from "../../core/operations/reencipher-change.ts";
import { listChangeReports, reportChange } from "../../core/operations/report-change.ts";
import { restoreChange } from "../../core/operations/restore-change.ts";
import type { ServicePorts } from "../../core/operations/service-ports.ts";
import { pageInput, pageView } from "./page-view.ts";
import type { NativeHandlers } from "./call.ts";
import { scopeOf } from "./scope-of.ts";
import { changeView, planView } from "./translate.ts";

type ChangeRoute =
  | "planChange"
  | "createChange"
  | "listChanges"
  | "getChange"
  | "reencipherChange"
  | "pauseChange"
  | "resumeChange"
  | "activateChange"
  | "finalizeChange"
  | "cancelChange"
  | "restoreChange"
  | "approveChange"
  | "purgeChange";

/** The routes of master-key changes. */
export function changeHandlers(ports: ServicePorts): Pick<NativeHandlers, ChangeRoute> {
  const changeNamed = (params: { readonly change: string }, touched: Touched): ChangeId => {
    touched.change = params.change;
    touched.asked = undefined;
    return params.change as ChangeId;
  };
  const change = async (id: string) => changeView(await reportChange(ports, { id: id as ChangeId }));
  const verb =
    (act: (ports: ChangePorts, input: ChangeInput) => Promise<{ readonly id: ChangeId }>) =>
    async (
      { params }: { readonly params: { readonly change: string } },
      { name: by }: { readonly name: string },
      touched: Touched,
    ) => {
      const id = changeNamed(params, touched);
      return change((await act(ports, { change: id, by })).id);
    };

  return {
    planChange: async ({ query }) => planView(await planChange(ports, scopeOf(query))),
    createChange: async ({ body }, { name: by }) => {
      const { expectedVp, freeze = "none", rowsPerSecond } = body;
      const input = { ...scopeOf(body), expectedVp, freeze, rowsPerSecond, restores: undefined, by };
      return change((await createChange(ports, input)).id);
    },
    listChanges: async ({ query }) => pageView(await listChangeReports(ports, pageInput(query)), changeView),
    getChange: async ({ params }, _caller, touched) => change(changeNamed(params, touched)),
    reencipherChange: verb(reencipherChange),
    pauseChange: verb(pauseChange),
    resumeChange: verb(resumeChange),
    activateChange: async ({ params, body }, { name: by }, touched) => {
      touched.vp = body.vp.toLowerCase();
      const input = {
        change: changeNamed(params, touched),
        by,
        vp: body.vp,
        override: body.override ?? false,
      };
      return change((await activateChange(ports, input)).id);
    },
    finalizeChange: verb(finalizeChange),
    cancelChange: verb(cancelChange),
    restoreChange: verb(restoreChange),
    approveChange: verb(approveChange),
    purgeChange: verb(purgeChange),
  };
}
