import { HEADER_BYTES, MessageSplitter, payloadOf } from '../../src/protocol/framing.js';
import { pick } from '../random.js';
import { CLIENT_STREAMS, RESPONSES } from './samples.js';
import { chunksOf, textOf, type FuzzTarget } from './target.js';

const LIMITS = [HEADER_BYTES, 64, 300, 1 << 20] as const;

interface Split {
  readonly text: string;
  readonly problem: string | undefined;
}

function split(chunks: readonly Buffer[], maxBytes: number): Split {
  const splitter = new MessageSplitter(maxBytes);
  const messages: unknown[] = [];
  let pushed = 0;
  let taken = 0;
  let problem: string | undefined;
  for (const chunk of chunks) {
    splitter.push(chunk);
    pushed += chunk.length;
    for (let message = splitter.next(); message !== undefined; message = splitter.next()) {
      messages.push([message.sequenceId, message.nextSequenceId, payloadOf(message).toString('hex')]);
      taken += message.raw.length;
      if (messages.length * HEADER_BYTES > pushed)
        return { text: '', problem: 'more messages than the bytes can have' };
    }
    if (splitter.bufferedBytes !== pushed - taken)
      problem = `${splitter.bufferedBytes} bytes kept of ${pushed - taken}`;
    // Whoever reads on after an error keeps what nobody takes.
    if (splitter.error !== undefined) break;
    if (splitter.bufferedBytes > maxBytes + chunk.length) problem = 'it keeps more than a message may have';
  }
  return { text: textOf([messages, splitter.error]), problem };
}

export const SPLITTER: FuzzTarget = {
  samples: [...CLIENT_STREAMS, ...RESPONSES],
  run(bytes, random) {
    const maxBytes = pick(random, LIMITS);
    const whole = split([bytes], maxBytes);
    const cut = split(chunksOf(bytes, random), maxBytes);
    const problem = whole.problem ?? cut.problem;
    if (problem !== undefined) return problem;
    return whole.text === cut.text ? undefined : `whole ${whole.text}, in chunks ${cut.text}`;
  },
};
