/** What a provider is asked to run: one mysqld with this option file, on this port. */
export interface ServerSpec {
  /** `node-1`, `node-2`, … */
  readonly name: string;
  readonly port: number;
  /** All of my.cnf but the paths, which are the provider's own. */
  readonly options: readonly string[];
}

/** One mysqld process and its data, wherever the provider runs it. */
export interface Server {
  /** Starts the process again on the same data; it need not take logins yet. */
  start(): Promise<void>;
  /** Resolves when the process is gone, also if it was gone before. */
  kill(): Promise<void>;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  isRunning(): Promise<boolean>;
  logTail(): Promise<string>;
}

export interface Fleet {
  /** In the order of the specs, each with its process started. */
  readonly servers: readonly Server[];
  /** Resolves when all processes are gone and their data is removed. */
  stop(): Promise<void>;
}

export type Launch =
  { readonly kind: 'launched'; readonly fleet: Fleet } | { readonly kind: 'unavailable'; readonly reason: string };

export interface LaunchRequest {
  readonly specs: readonly ServerSpec[];
  /** Statements, one a line, that each server runs when its data directory is made. */
  readonly initSql: string;
  readonly onProgress: (line: string) => void;
}

/** `unavailable` says that this machine does not have what the provider needs; a throw says that the provider failed. */
export type Launcher = (request: LaunchRequest) => Promise<Launch>;
