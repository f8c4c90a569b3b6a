import { defineConfig } from 'vitest/config';

/** Count what their process holds, or start processes of their own: nothing of another file may be there. */
const ALONE = ['test/{contract,demo,fuzz,races,server,sipp}/**/*.test.ts'];

export default defineConfig({
  test: {
    testTimeout: 15_000,
    hookTimeout: 15_000,
    pool: 'forks',
    // Much of the time they wait for timers of the protocols.
    maxWorkers: 3,
    projects: [
      { extends: true, test: { name: 'alone', include: ALONE } },
      // Reading the server's modules anew for each file took a quarter of the time.
      { extends: true, test: { name: 'together', include: ['test/**/*.test.ts'], exclude: ALONE, isolate: false } },
    ],
  },
});
