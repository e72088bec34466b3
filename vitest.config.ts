import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      // The time-out is for what hangs: nothing depends on speed.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000 } },
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
          // Half of the time is waiting for servers; what runs at once shares two cores with them.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
