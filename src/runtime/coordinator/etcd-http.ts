import { readFileSync } from 'node:fs';
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { DEFAULTS } from '../../defaults.js';

const KEEP_ALIVE_MS = 1_000;

/** Files in PEM. */
export interface EtcdTls {
  /** By default the authorities that Node.js knows. */
  readonly caPath?: string | undefined;
  readonly certPath?: string | undefined;
  readonly keyPath?: string | undefined;
}

/**
 * Posts JSON, and reads JSON a line. Not by `fetch`, which neither takes an authority of its own, as etcd mostly has one, nor leaves a
 * watch alone that is silent for five minutes.
 */
export class EtcdHttp {
  readonly #http = new HttpAgent({ keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS });
  readonly #https: HttpsAgent;

  /** @throws where a file cannot be read */
  constructor({ caPath, certPath, keyPath }: EtcdTls) {
    this.#https = new HttpsAgent({
      keepAlive: true,
      keepAliveMsecs: KEEP_ALIVE_MS,
      ...(caPath === undefined ? {} : { ca: readFileSync(caPath) }),
      ...(certPath === undefined ? {} : { cert: readFileSync(certPath) }),
      ...(keyPath === undefined ? {} : { key: readFileSync(keyPath) }),
    });
  }

  /** The answer's lines as they come. Ends with the answer, or throws by `signal`. */
  async *post(url: URL, body: unknown, token: string | undefined, signal: AbortSignal): AsyncGenerator<EtcdAnswer> {
    const response = await this.#open(url, JSON.stringify(body), token, signal);
    const status = response.statusCode ?? 0;
    let rest = '';
    response.setEncoding('utf8');
    for await (const chunk of response) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > DEFAULTS.coordinatorAnswerBytes) throw new Error('its answer is too long');
      for (const line of lines) if (line !== '') yield { status, message: parse(line) };
    }
    if (rest !== '') yield { status, message: parse(rest) };
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  async #open(url: URL, body: string, token: string | undefined, signal: AbortSignal): Promise<IncomingMessage> {
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      ...(token === undefined ? {} : { authorization: token }),
    };
    const options = { method: 'POST', headers, signal };
    return new Promise((resolve, reject) => {
      const request =
        url.protocol === 'https:'
          ? requestHttps(url, { ...options, agent: this.#https })
          : requestHttp(url, { ...options, agent: this.#http });
      request.once('response', resolve);
      // It stays: an answer that is cut short tells of it here, too.
      request.on('error', reject);
      request.end(body);
    });
  }
}

export interface EtcdAnswer {
  readonly status: number;
  readonly message: unknown;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // A proxy in between, or another server.
    return { message: line.slice(0, 200) };
  }
}
