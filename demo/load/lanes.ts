/** Runs `work` in `lanes` loops beside each other, as long as it returns true; rejects with its first error. */
export async function inLanes(lanes: number, work: () => Promise<boolean>): Promise<void> {
  let failed = false;
  const lane = async (): Promise<void> => {
    try {
      while (!failed && (await work()));
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
