import { DEFAULTS } from '../../defaults.js';
import { EtcdHttp, type EtcdAnswer, type EtcdTls } from './etcd-http.js';
import {
  base64,
  eventOf,
  fieldOf,
  keysOf,
  listOf,
  numberOf,
  raftTermOf,
  rangeOf,
  revisionOf,
  textOf,
  type EtcdEvent,
  type EtcdKeys,
} from './etcd-messages.js';

export interface EtcdAccess extends EtcdTls {
  readonly endpoints: readonly string[];
  readonly user?: string | undefined;
  readonly password?: string | undefined;
}

/** What has to be so for a transaction's puts to happen. A revision of 0: there is no such key. */
export interface EtcdGuard {
  readonly target: 'CREATE' | 'MOD';
  readonly key: string;
  readonly revision: number;
}

export interface EtcdPut {
  readonly key: string;
  readonly value: string;
  readonly lease?: string;
}

/** It answered, and did not do it. */
class EtcdRefusal extends Error {}

/** etcd's v3 API by its JSON gateway. Whatever fails at one member is tried at the next, and all within a time. */
export class EtcdClient {
  readonly #endpoints: readonly string[];
  readonly #access: EtcdAccess;
  readonly #http: EtcdHttp;
  readonly #underWay = new Set<AbortController>();
  /** The one that answered last. */
  #endpoint = 0;
  #token: string | undefined;

  /** @throws where a file of the certificates cannot be read */
  constructor(access: EtcdAccess) {
    this.#access = access;
    this.#endpoints = access.endpoints.map((endpoint) => endpoint.replace(/\/+$/, ''));
    this.#http = new EtcdHttp(access);
  }

  async grantLease(ttlS: number): Promise<{ readonly id: string; readonly ttlS: number }> {
    const granted = await this.#call('lease/grant', { TTL: String(ttlS) });
    return { id: textOf(granted, 'ID'), ttlS: numberOf(granted, 'TTL') };
  }

  /** @returns how long it lasts from now on; 0 when there is no such lease any more */
  async keepLease(id: string): Promise<{ readonly ttlS: number; readonly raftTerm: number }> {
    const kept = fieldOf(await this.#call('lease/keepalive', { ID: id }), 'result');
    return { ttlS: numberOf(kept, 'TTL'), raftTerm: raftTermOf(kept) };
  }

  async revokeLease(id: string): Promise<void> {
    await this.#call('lease/revoke', { ID: id });
  }

  async range(prefix: string): Promise<EtcdKeys> {
    const found = await this.#call('kv/range', rangeOf(prefix));
    return { revision: revisionOf(found), raftTerm: raftTermOf(found), keys: keysOf(found) };
  }

  /** @returns whether it was put, and what there is with `prefix` after that */
  async putIf(
    guards: readonly EtcdGuard[],
    put: EtcdPut,
    prefix: string,
  ): Promise<EtcdKeys & { readonly put: boolean }> {
    const look = { request_range: rangeOf(prefix) };
    const answer = await this.#call('kv/txn', {
      compare: guards.map(({ target, key, revision }) => ({
        result: 'EQUAL',
        target,
        key: base64(key),
        [target === 'CREATE' ? 'create_revision' : 'mod_revision']: String(revision),
      })),
      success: [{ request_put: { ...put, key: base64(put.key), value: base64(put.value) } }, look],
      failure: [look],
    });
    const found = fieldOf(listOf(answer, 'responses').at(-1), 'response_range');
    return {
      put: fieldOf(answer, 'succeeded') === true,
      revision: revisionOf(answer),
      raftTerm: raftTermOf(answer),
      keys: keysOf(found),
    };
  }

  /** Resolves or rejects when the watch has ended, for whatever reason. */
  async watch(
    prefix: string,
    fromRevision: number,
    onEvents: (events: readonly EtcdEvent[]) => void,
    abort: AbortController,
  ): Promise<void> {
    const body = { create_request: { ...rangeOf(prefix), start_revision: String(fromRevision) } };
    const timer = setTimeout(() => abort.abort(new Error('no answer')), DEFAULTS.coordinatorRequestMs);
    this.#underWay.add(abort);
    try {
      for await (const answer of this.#post(this.#endpoint, 'watch', body, abort.signal)) {
        clearTimeout(timer);
        const result = fieldOf(resultOf(answer), 'result');
        // What it was to begin with is gone, or we may not see it.
        if (fieldOf(result, 'canceled') === true) throw new EtcdRefusal(textOf(result, 'cancel_reason'));
        onEvents(listOf(result, 'events').map(eventOf));
      }
    } finally {
      clearTimeout(timer);
      this.#underWay.delete(abort);
    }
  }

  /** Ends what is under way. Further questions may be asked. */
  interrupt(): void {
    for (const abort of this.#underWay) abort.abort(new Error('it was stopped'));
  }

  close(): void {
    this.interrupt();
    this.#http.close();
  }

  async #call(path: string, body: unknown): Promise<unknown> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(new Error('no answer')), DEFAULTS.coordinatorCallMs);
    this.#underWay.add(abort);
    let failure: unknown;
    try {
      for (let tried = 0; tried < this.#endpoints.length; tried++) {
        try {
          return await this.#callAt(this.#endpoint, path, body, abort.signal);
        } catch (error) {
          failure = error;
        }
        if (abort.signal.aborted) break;
        this.#endpoint = (this.#endpoint + 1) % this.#endpoints.length;
      }
      throw failure;
    } finally {
      clearTimeout(timer);
      this.#underWay.delete(abort);
    }
  }

  async #callAt(endpoint: number, path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    const { user, password } = this.#access;
    for (let tried = 0; ; tried++) {
      if (user !== undefined && this.#token === undefined) {
        const answer = await this.#ask(endpoint, 'auth/authenticate', { name: user, password }, signal);
        this.#token = textOf(answer, 'token');
      }
      try {
        return await this.#ask(endpoint, path, body, signal);
      } catch (error) {
        // Tokens run out, and end with a change of any user or role.
        if (user === undefined || tried > 0 || !(error instanceof EtcdRefusal) || !/auth/.test(error.message))
          throw error;
        this.#token = undefined;
      }
    }
  }

  async #ask(endpoint: number, path: string, body: unknown, whole: AbortSignal): Promise<unknown> {
    const abort = new AbortController();
    const stop = (): void => abort.abort(whole.reason);
    const timer = setTimeout(() => abort.abort(new Error('no answer')), DEFAULTS.coordinatorRequestMs);
    whole.addEventListener('abort', stop);
    try {
      whole.throwIfAborted();
      let last: EtcdAnswer | undefined;
      for await (const answer of this.#post(endpoint, path, body, abort.signal)) last = answer;
      if (last === undefined) throw new Error('an empty answer');
      return resultOf(last);
    } catch (error) {
      throw error instanceof EtcdRefusal || !abort.signal.aborted ? error : abort.signal.reason;
    } finally {
      clearTimeout(timer);
      whole.removeEventListener('abort', stop);
    }
  }

  #post(endpoint: number, path: string, body: unknown, signal: AbortSignal): AsyncGenerator<EtcdAnswer> {
    return this.#http.post(new URL(`${this.#endpoints[endpoint] ?? ''}/v3/${path}`), body, this.#token, signal);
  }
}

/** A stream's answers tell of an error within, and with status 200. */
function resultOf({ status, message }: EtcdAnswer): unknown {
  const error = fieldOf(message, 'error');
  if (status === 200 && error === undefined) return message;
  const text = textOf(error, 'message') || textOf(message, 'message') || textOf(message, 'error');
  throw new EtcdRefusal(text || `HTTP status ${status}`);
}
