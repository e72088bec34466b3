import { defineConfig } from 'vitest/config';

// Half of the time is waiting for servers, and these share the cores with what runs at once. The same for all of a group: at the change from one
// group to the next, Vitest 4.1 gives several workers one VITEST_POOL_ID, by which they have their clusters.
const MAX_WORKERS = 2;

// A server that gets no time to run is as good as frozen: it would be replaced where a test does not expect it.
const REPLACE_PRIMARIES = [
  'test/faults/**/*.test.ts',
  'test/mariadb/{failover,leaders}.test.ts',
  'test/driver/{failover,promotion}.test.ts',
];

// The time-outs are for what hangs: nothing depends on speed.
const ON_SERVERS = {
  // A cluster for each worker, started only when a file of the project is to run.
  globalSetup: ['test/global-setup.ts'],
  setupFiles: ['test/end-raw-clients.ts'],
  testTimeout: 60_000,
  hookTimeout: 180_000,
};

export default defineConfig({
  test: {
    projects: [
      {
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000, maxWorkers: MAX_WORKERS },
      },
      {
        test: {
          ...ON_SERVERS,
          name: 'integration',
          include: [
            'test/integration/**/*.test.ts',
            'test/differential/**/*.test.ts',
            'test/clients/**/*.test.ts',
            'test/mariadb/**/*.test.ts',
            'test/driver/**/*.test.ts',
            // An `exclude` here would take the place of those on the command line.
            ...REPLACE_PRIMARIES.map((it) => `!${it}`),
          ],
          maxWorkers: MAX_WORKERS,
        },
      },
      // Alone, after all else.
      {
        test: {
          ...ON_SERVERS,
          name: 'failover',
          include: REPLACE_PRIMARIES,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
