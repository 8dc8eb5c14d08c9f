import type { Definition } from "./definition.ts";

/** The generation up to which master keys of a unit have been seen: of units that count them (core/unit/generations.ts). */
export const registerGenerations: readonly Definition[] = [
  `CREATE TABLE register_generations (
    unit TEXT NOT NULL,
    type TEXT NOT NULL,
    generation INTEGER NOT NULL,
    PRIMARY KEY (unit, type))`,
];
