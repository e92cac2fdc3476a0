/** Runs `work` for 0 to count - 1 in order, so many at a time. After the first error no more are begun, and it is thrown. */
export async function eachOf(count: number, concurrency: number, work: (n: number) => Promise<void>): Promise<void> {
  let begun = 0;
  let failed = false;
  const worker = async () => {
    while (begun < count && !failed) {
      const n = begun;
      begun += 1;
      try {
        await work(n);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker));
}
