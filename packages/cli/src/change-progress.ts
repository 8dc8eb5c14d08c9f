import type { ChangeView } from "@claviger/sdk";
import type { Progress } from "./progress-line.ts";
import { count } from "./terminal.ts";

/** How far a change is in its state, for the line that is shown while someone waits. */
export function progressOf({ state, progress }: ChangeView): Progress {
  const { keks, lacking, failed, verified } = progress;
  switch (state) {
    case "REENCIPHERING":
    case "READY": {
      const failures = failed === 0 ? "" : `, ${count(failed)} failed`;
      const detail = `${count(keks - lacking)} of ${count(keks)} KEKs re-enciphered${failures}`;
      return { what: state, done: keks - lacking, total: keks, detail };
    }
    case "ACTIVATING":
    case "ACTIVATED": {
      const opened = verified.map((unit) => (unit.complete ? keks : Math.min(unit.opened, keks)));
      const each = verified.map(
        ({ unit }, nth) => `${unit} opened ${count(opened[nth] ?? 0)} of ${count(keks)}`,
      );
      return {
        what: state,
        done: opened.reduce((sum, next) => sum + next, 0),
        total: verified.length === 0 ? null : keks * verified.length,
        detail: each.join(", "),
      };
    }
    case "PLANNED":
    case "STAGED":
    case "FINALIZING":
    case "DONE":
    case "PURGED":
    case "CANCELING":
    case "CANCELED":
      return { what: state, done: 0, total: null, detail: `${count(keks)} KEKs` };
  }
}
