import { existsSync } from "node:fs";
import { tmpdir } from "node:os";

/** Memory-backed where the system has such a folder: these tests sync thousands of times, and no power fails. */
export const SCRATCH = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
