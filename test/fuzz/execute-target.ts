import { statementIdOf, type ClientStatement } from '../../proxy/client-statement.js';
import { executeHint, executeOn, findPrepared, noteTypes, opensCursor } from '../../proxy/execute.js';
import { classify } from '../../src/classify/classify.js';
import { framePackets, MessageSplitter, type Message } from '../../src/protocol/framing.js';
import { PreparedCache } from '../../src/runtime/prepared-cache.js';
import { freshState } from '../../src/session/session-state.js';
import { pick } from '../random.js';
import { MYSQL } from '../corpus/corpus.js';
import { EXECUTES } from './samples.js';
import type { FuzzTarget } from './target.js';

const SQL = Buffer.from('SELECT ?, ?');
const SERVER_ID = 0x01020304;

function statementOf(params: number): ClientStatement {
  const classification = classify(SQL, 0, SQL.length, MYSQL);
  const fixed = { id: 1, sql: SQL, classification, digest: undefined, kills: undefined, state: freshState('shop') };
  return { ...fixed, key: 'key', serverKey: 'key', ownKey: 'own', bound: false, params, types: undefined };
}

function messageOf(payload: Buffer): Message {
  const splitter = new MessageSplitter(1 << 20);
  splitter.push(framePackets(payload, 0));
  const message = splitter.next();
  if (message === undefined) throw new Error('a framed payload is a message');
  return message;
}

/** Two executions of one statement, as two connections get them. */
export const EXECUTE: FuzzTarget = {
  samples: EXECUTES,
  run(bytes, random) {
    const statement = statementOf(pick(random, [0, 1, 2, 3, 300]));
    const attributes = random.below(2) === 0;
    for (const payload of [bytes, pick(random, EXECUTES)]) {
      // A statement is looked for by its id before all else.
      if (statementIdOf(messageOf(payload)) === 0) return undefined;
      const prepared = new PreparedCache(10);
      prepared.add('key', { id: SERVER_ID, boundTypes: undefined });
      const message = messageOf(payload);
      opensCursor(message);
      executeHint(message, statement);
      noteTypes(message, statement, attributes);
      const server = findPrepared(prepared, statement);
      if (server === undefined) return 'the statement that was prepared is not found';
      const sent = messageOf(executeOn(message, statement, server, attributes).subarray(4));
      if (statementIdOf(sent) !== SERVER_ID) return 'another statement is run';
      if (sent.raw.length < payload.length + 4) return 'what is sent is shorter';
    }
    return undefined;
  },
};
