import { RawClient, type RawPacket } from '../raw-client.js';
import type { Actor } from './actor.js';
import { SCHEMA } from './run.js';

const ERR = 0xff;

/** A session that sends all it has to say before it hears anything: a write, a read of it, another one, and again. */
export async function pipeline(actor: Actor, otherKey: number): Promise<void> {
  const { run, level } = actor;
  const { host, port, user, password } = run.server;
  const client = await RawClient.logIn({ host, port, user, password, database: SCHEMA });
  const session = run.nextSession();
  try {
    refuseError(await client.query(`SET @rwsplit_consistency = '${level}'`));
    const own = actor.ownKey;
    const values = [actor.nextValue(own), actor.nextValue(own)];
    const read = (key: number): string => `SELECT @@server_id, v FROM kv WHERE k = ${key}`;
    const since = actor.now;
    for (const value of values) {
      run.history.sent(own.id, value);
      for (const sql of [`UPDATE kv SET v = ${value} WHERE k = ${own.id}`, read(own.id), read(otherKey)]) {
        client.send(client.queryPayload(sql));
      }
    }
    for (const value of values) {
      refuseError(await client.answer('result'));
      run.history.acknowledged(session, own.id, value);
      for (const key of [own.id, otherKey]) {
        const [node = NaN, seen = NaN] = rowOf(await client.answer('result'));
        run.read({ session, level, key, value: seen, since }, node, actor.step);
      }
    }
  } finally {
    client.destroy();
    run.history.ended(session);
  }
}

function refuseError([first]: readonly RawPacket[]): void {
  if (first?.payload[0] === ERR) throw new Error(first.payload.subarray(3).toString());
}

/** The numbers of the only row: before its end there is nothing else. */
function rowOf(packets: readonly RawPacket[]): readonly number[] {
  refuseError(packets);
  const { payload } = packets.at(-2) ?? { payload: Buffer.alloc(0) };
  const numbers: number[] = [];
  for (let at = 0; at < payload.length; at += 1 + (payload[at] ?? 0)) {
    numbers.push(Number(payload.toString('latin1', at + 1, at + 1 + (payload[at] ?? 0))));
  }
  return numbers;
}
