import { MalformedPacket } from '../malformed-packet.js';

/** `COM_STMT_PREPARE_OK`, the head of the answer to COM_STMT_PREPARE. */
export interface StmtPrepareOk {
  readonly statementId: number;
  readonly columns: number;
  readonly params: number;
}

export function decodeStmtPrepareOk(payload: Buffer): StmtPrepareOk | MalformedPacket {
  if (payload.length < 9 || payload[0] !== 0x00) return new MalformedPacket('COM_STMT_PREPARE_OK');
  return {
    statementId: payload.readUInt32LE(1),
    columns: payload.readUInt16LE(5),
    params: payload.readUInt16LE(7),
  };
}
