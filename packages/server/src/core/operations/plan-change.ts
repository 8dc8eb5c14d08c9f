import { Failure } from "../errors.ts";
import type { GroupName, MasterKeyType, Vp } from "../ids.ts";
import { namesVp, shownVp } from "../ids.ts";
import type { Change } from "../master-key-change/change.ts";
import { gatherFacts, unitFacts } from "../master-key-change/gather-facts.ts";
import type { Obstacle } from "../master-key-change/obstacles.ts";
import { obstaclesToActivate, obstaclesToStage } from "../master-key-change/obstacles.ts";
import { BATCH_ROWS } from "../master-key-change/rewrap.ts";
import { readingOf } from "../unit/attached-units.ts";
import type { ChangePorts } from "./change-ports.ts";

const SAMPLE_ROWS = 200;

export interface ChangePlan {
  readonly group: GroupName;
  readonly type: MasterKeyType;
  readonly from: Vp;
  readonly to: Vp | undefined;
  readonly keks: number;
  readonly sampled: number;
  readonly sampleFailed: number;
  readonly estimatedSeconds: number;
  readonly obstacles: readonly Obstacle[];
}

/** A dry run: opens a sample of KEKs under CURRENT, counts rows, and names every obstacle. Changes nothing. */
export async function planChange(
  ports: ChangePorts,
  input: { readonly group: GroupName; readonly type: MasterKeyType },
): Promise<ChangePlan> {
  const fence = await ports.store.readFence(input);
  if (!fence) throw new Failure("no-serving-unit", `group ${input.group} has no ${input.type} master key`);
  const change = fence.openChange && (await ports.store.readChange({ id: fence.openChange }));
  const units = unitFacts(await ports.units.refreshGroup(input.group), input.type);
  const [first] = ports.units.serving(input.group);
  const to = (change && change.to) ?? (first && readingOf(first, input.type)?.NEW.vp);
  const census = await ports.store.census(input);
  const keks = census.reduce((sum, line) => sum + line.current, 0);
  const sample = await openSample(ports, input);
  const obstacles = [
    ...(change && change.to
      ? await whileOpen(ports, change)
      : obstaclesToStage(fence.currentVp, undefined, { units })),
    ...kept(census, fence.currentVp, to, change || undefined),
    ...sample.obstacles,
    ...unexpected(ports, input.group, to),
  ];
  const estimatedSeconds = Math.ceil(keks * sample.secondsPerRow * 10) / 10;
  return {
    ...input,
    from: fence.currentVp,
    to,
    keks,
    sampled: sample.rows,
    sampleFailed: sample.failed,
    estimatedSeconds,
    obstacles,
  };
}

async function whileOpen(ports: ChangePorts, change: Change): Promise<readonly Obstacle[]> {
  const facts = await gatherFacts(ports, change, { nowMs: ports.clock.nowMs(), retryNow: false });
  const beforeRows = ["PLANNED", "STAGED"].includes(change.state);
  return obstaclesToActivate(change, beforeRows ? { ...facts, rows: { ...facts.rows, lacking: 0 } } : facts);
}

/** Forms that an earlier change has left stand in the way of activation, not of what comes before. */
function kept(
  census: readonly { readonly vp: Vp; readonly previous: number }[],
  from: Vp,
  to: Vp | undefined,
  change: Change | undefined,
): readonly Obstacle[] {
  if (change?.to) return [];
  return census
    .filter((line) => line.previous > 0 && line.vp !== from && line.vp !== to)
    .map((line) => ({
      what: `${line.previous} KEKs keep forms under ${shownVp(line.vp)}, which activation would push out of OLD`,
      advice: "purge the earlier change before you activate",
      unit: undefined,
      overridable: true,
    }));
}

async function openSample(
  ports: ChangePorts,
  input: { readonly group: GroupName; readonly type: MasterKeyType },
): Promise<{ rows: number; failed: number; secondsPerRow: number; obstacles: readonly Obstacle[] }> {
  const rows = await ports.store.sampleRows({ ...input, limit: SAMPLE_ROWS });
  const [at] = ports.units.serving(input.group);
  if (!at || rows.length === 0) return { rows: 0, failed: 0, secondsPerRow: 0, obstacles: [] };
  const startedMs = ports.clock.nowMs();
  const obstacles: Obstacle[] = [];
  for (const vp of new Set(rows.map((row) => row.vp))) {
    const under = rows.filter((row) => row.vp === vp);
    const answers = await at.unit.keks.verify({ ...input, rows: under }, vp, ["CURRENT", "OLD"]);
    for (const [index, row] of under.entries()) {
      const answer = answers[index];
      if (answer === "opened" || answer === undefined) continue;
      obstacles.push({
        what: `KEK ${row.kekId} of project ${row.projectId} does not open: ${answer.refused}`,
        advice: "restore this row from a backup before you begin",
        unit: undefined,
        overridable: false,
      });
    }
  }
  const seconds = (ports.clock.nowMs() - startedMs) / 1000;
  // Re-enciphering opens, wraps, opens again and writes: about four times the work of opening, and its batches wait for the disk.
  const secondsPerRow = (4 * seconds) / rows.length + 0.002 / BATCH_ROWS;
  return { rows: rows.length, failed: obstacles.length, secondsPerRow, obstacles };
}

function unexpected(ports: ChangePorts, group: GroupName, to: Vp | undefined): readonly Obstacle[] {
  const expected = ports.expectedVps.get(group);
  if (!expected || !to || expected.some((pattern) => namesVp(pattern, to))) return [];
  return [
    {
      what: `expected_vps of group ${group} does not name ${shownVp(to)}`,
      advice: "add it to the configuration before the change is finalized",
      unit: undefined,
      overridable: false,
    },
  ];
}
