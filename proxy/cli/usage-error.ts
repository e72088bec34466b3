/** The command line or the configuration is not right: one clear sentence, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
