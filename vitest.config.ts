import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Tests that use fast-check or a real server print what failed; a diff of 100 KB helps nobody.
    chaiConfig: { truncateThreshold: 400 },
  },
});
