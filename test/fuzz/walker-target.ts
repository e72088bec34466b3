import { Capability } from '../../src/protocol/capabilities.js';
import { HEADER_BYTES } from '../../src/protocol/framing.js';
import type { ErrPacket } from '../../src/protocol/packets/err.js';
import type { OkPacket } from '../../src/protocol/packets/ok.js';
import type { StmtPrepareOk } from '../../src/protocol/packets/stmt-prepare-ok.js';
import type { ResponseShape } from '../../src/protocol/response-place.js';
import { ResponseWalker, type ResponseSink } from '../../src/protocol/response-walker.js';
import { decodeSessionChanges } from '../../src/protocol/session-changes.js';
import { RESPONSES } from './samples.js';
import { chunksOf, textOf, type FuzzTarget } from './target.js';

const CAPABILITIES = [
  0,
  Capability.SESSION_TRACK,
  Capability.DEPRECATE_EOF,
  Capability.SESSION_TRACK | Capability.DEPRECATE_EOF,
] as const;
/** What the client gets in place of a packet may be this much longer. */
const MAX_LONGER_BYTES = 32;

/** A client that gets all but session changes, and its errors only where `forwardsErrors`. */
class Client implements ResponseSink {
  readonly forwarded: Buffer[] = [];
  readonly told: unknown[] = [];
  readonly #forwardsErrors: boolean;

  constructor(forwardsErrors: boolean) {
    this.#forwardsErrors = forwardsErrors;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.forwarded);
  }

  forward(chunk: Buffer, start: number, end: number): void {
    if (start < 0 || end < start || end > chunk.length) throw new Error(`it forwards from ${start} to ${end}`);
    this.forwarded.push(Buffer.from(chunk.subarray(start, end)));
  }

  rewriteOk(ok: OkPacket): OkPacket {
    this.told.push(ok, decodeSessionChanges(ok.sessionChanges));
    return { ...ok, sessionChanges: Buffer.alloc(0) };
  }

  rewritePrepareOk(prepared: StmtPrepareOk): number {
    this.told.push(prepared);
    return (prepared.statementId ^ 0xff) >>> 0;
  }

  forwardErr(error: ErrPacket): boolean {
    this.told.push(error);
    return this.#forwardsErrors;
  }
}

interface Walked {
  readonly malformed: boolean;
  readonly bytes: Buffer;
  readonly text: string;
  readonly problem: string | undefined;
}

function walk(
  chunks: readonly Buffer[],
  whole: Buffer,
  capabilities: number,
  shape: ResponseShape,
  errors: boolean,
): Walked {
  const walker = new ResponseWalker(capabilities);
  const client = new Client(errors);
  walker.begin(shape, 1);
  let at = 0;
  let steps = 0;
  let problem: string | undefined;
  for (const chunk of chunks) {
    for (let from = 0; from < chunk.length && !walker.done && walker.malformed === undefined;) {
      if (walker.awaitsFile) walker.fileSent(whole[at + 3] ?? 0);
      const taken = walker.walk(chunk, from, chunk.length, client);
      from += taken;
      at += taken;
      const waits = walker.done || walker.awaitsFile || walker.malformed !== undefined;
      if (from !== chunk.length && !waits) problem = `it took ${taken} bytes and wants no more`;
      if (taken < 0 || from > chunk.length) problem = `it took ${taken} bytes`;
      // Each step but the last of a chunk ends at a file that is asked for.
      if (++steps > chunks.length + whole.length / HEADER_BYTES) problem = 'it goes round and round';
      if (problem !== undefined) break;
    }
  }
  const { bytes } = client;
  if (bytes.length > whole.length + MAX_LONGER_BYTES * (client.told.length + 1)) problem = 'it makes bytes up';
  const { done, awaitsFile, status, warnings, rows, error, ok, insertsId } = walker;
  const text = textOf([at, done, awaitsFile, status, warnings, rows, error, ok, insertsId, client.told]);
  return { malformed: walker.malformed !== undefined, bytes, text, problem };
}

/** One for each shape of a response. */
export function walkerTarget(shape: ResponseShape): FuzzTarget {
  return {
    samples: RESPONSES,
    run(bytes, random) {
      const errors = random.below(2) === 0;
      for (const capabilities of CAPABILITIES) {
        const whole = walk([Buffer.from(bytes)], bytes, capabilities, shape, errors);
        const cut = walk(chunksOf(bytes, random), bytes, capabilities, shape, errors);
        const problem = whole.problem ?? cut.problem;
        if (problem !== undefined) return `${problem} (capabilities ${capabilities})`;
        if (whole.malformed !== cut.malformed) return `malformed only in ${whole.malformed ? 'one piece' : 'chunks'}`;
        // What came before the bad packet may have gone on, or not: the connection is ended.
        if (whole.malformed) continue;
        if (whole.text !== cut.text) return `whole ${whole.text}, in chunks ${cut.text} (capabilities ${capabilities})`;
        if (!whole.bytes.equals(cut.bytes)) return `other bytes in chunks (capabilities ${capabilities})`;
      }
      return undefined;
    },
  };
}
