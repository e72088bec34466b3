import { defineConfig } from 'vitest/config';

// Half of the time is waiting for servers, and these share the cores with what runs at once. The same for all, and all in one group: at the
// change from one group to the next, Vitest 4.1 gives several workers one VITEST_POOL_ID, by which they have their clusters.
const MAX_WORKERS = 2;

export default defineConfig({
  test: {
    projects: [
      // The time-out is for what hangs: nothing depends on speed.
      {
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000, maxWorkers: MAX_WORKERS },
      },
      {
        test: {
          name: 'integration',
          include: [
            'test/integration/**/*.test.ts',
            'test/differential/**/*.test.ts',
            'test/faults/**/*.test.ts',
            'test/clients/**/*.test.ts',
            'test/mariadb/**/*.test.ts',
            'test/driver/**/*.test.ts',
          ],
          // A cluster for each worker, started only when a file of this project is to run.
          globalSetup: ['test/global-setup.ts'],
          setupFiles: ['test/end-raw-clients.ts'],
          maxWorkers: MAX_WORKERS,
          testTimeout: 60_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
