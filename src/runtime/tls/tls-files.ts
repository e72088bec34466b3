import { readFileSync, statSync } from 'node:fs';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { DEFAULTS } from '../../defaults.js';
import type { EventLog } from '../event-log.js';

/** Where certificates and keys lie, in PEM. */
export interface TlsPaths {
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The authorities that the other side's certificate may be signed by; without it, those that Node.js knows. */
  readonly ca?: string | undefined;
}

/** What is made of the files at one time. */
export interface TlsMaterial {
  readonly options: SecureContextOptions;
  readonly context: SecureContext;
  /** What stands in the files. */
  readonly pem: { readonly cert?: string; readonly key?: string; readonly ca?: string };
}

/**
 * Certificates and keys from files, made into what TLS connections are opened with. The files are looked at again and again:
 * new ones count for each connection from then on, those that cannot be used change nothing and are logged.
 */
export class TlsFiles {
  readonly #paths: TlsPaths;
  readonly #options: SecureContextOptions;
  readonly #log: EventLog;
  #material: TlsMaterial;
  #stamp: string;
  #timer: NodeJS.Timeout | undefined;
  /** Called when new files are in use. */
  onReload: ((material: TlsMaterial) => void) | undefined;

  /** @throws Error with one clear sentence when a file cannot be used */
  constructor(paths: TlsPaths, options: SecureContextOptions, log: EventLog) {
    this.#paths = paths;
    this.#options = options;
    this.#log = log;
    this.#stamp = stampOf(paths);
    this.#material = load(paths, options);
    if (named(paths).length === 0) return;
    this.#timer = setInterval(() => this.reload(), DEFAULTS.certificateIntervalMs);
    this.#timer.unref();
  }

  /** For a connection that is opened now. */
  get material(): TlsMaterial {
    return this.#material;
  }

  /** Looks at the files now. @returns whether new ones are in use */
  reload(): boolean {
    const stamp = stampOf(this.#paths);
    if (stamp === this.#stamp) return false;
    this.#stamp = stamp;
    const files = named(this.#paths);
    try {
      this.#material = load(this.#paths, this.#options);
      this.onReload?.(this.#material);
      this.#log.info({ files }, 'the certificates have changed: the new ones are in use');
      return true;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#log.error({ files }, `the certificates have changed, and the old ones stay in use: ${why}`);
      return false;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

function named({ cert, key, ca }: TlsPaths): string[] {
  return [cert, key, ca].filter((path) => path !== undefined);
}

/** Changes when a file does, or what a link points to. */
function stampOf(paths: TlsPaths): string {
  return named(paths)
    .map((path) => {
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat === undefined ? 'missing' : `${stat.ino}/${stat.size}/${stat.mtimeMs}`;
    })
    .join();
}

function load({ cert, key, ca }: TlsPaths, base: SecureContextOptions): TlsMaterial {
  const pem = { ...read('cert', cert), ...read('key', key), ...read('ca', ca) };
  const options = { ...base, ...pem };
  try {
    return { options, context: createSecureContext(options), pem };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`the certificates of ${named({ cert, key, ca }).join(', ')} cannot be used: ${why}`, { cause });
  }
}

function read(name: 'cert' | 'key' | 'ca', path: string | undefined): { readonly [K in typeof name]?: string } {
  if (path === undefined) return {};
  try {
    return { [name]: readFileSync(path, 'utf8') };
  } catch (cause) {
    throw new Error(`cannot read ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
