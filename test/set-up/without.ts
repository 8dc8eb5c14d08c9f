/** Whether CLAVIGER_TEST_WITHOUT names what a machine need not have: its tests are skipped then, and counted as such. */
export function isWithout(what: string): boolean {
  return (process.env["CLAVIGER_TEST_WITHOUT"] ?? "").split(",").includes(what);
}
