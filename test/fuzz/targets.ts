import { Capability } from '../../src/protocol/capabilities.js';
import { handedOn } from '../../proxy/server-attributes.js';
import { decodeAuthSwitchRequest } from '../../src/protocol/packets/auth-switch-request.js';
import { decodeChangeUser } from '../../src/protocol/packets/change-user.js';
import { decodeErr } from '../../src/protocol/packets/err.js';
import { decodeHandshakeResponse } from '../../src/protocol/packets/handshake-response.js';
import { decodeHandshakeV10 } from '../../src/protocol/packets/handshake-v10.js';
import { decodeOk } from '../../src/protocol/packets/ok.js';
import { decodeStmtPrepareOk } from '../../src/protocol/packets/stmt-prepare-ok.js';
import { findQueryText, hasAttributes } from '../../src/protocol/query-attributes.js';
import { decodeSessionChanges, namesOnlyStatementId } from '../../src/protocol/session-changes.js';
import { COMPRESSED } from './compressed-target.js';
import { EXECUTE } from './execute-target.js';
import type { Targets } from './fuzz.js';
import { CLIENT_LOGIN, SERVER_LOGIN } from './login-targets.js';
import { PROXY_HEADER } from './proxy-header-target.js';
import * as samples from './samples.js';
import { SPLITTER } from './splitter-target.js';
import { decoder } from './target.js';
import { walkerTarget } from './walker-target.js';

/** All that reads a peer's bytes; what comes to it is one entry more. */
export const TARGETS: Targets = {
  'message-splitter': SPLITTER,
  'walker-result': walkerTarget('result'),
  'walker-ok': walkerTarget('ok'),
  'walker-prepare': walkerTarget('prepare'),
  'walker-rows': walkerTarget('rows'),
  'walker-columns': walkerTarget('columns'),
  'walker-string': walkerTarget('string'),
  'handshake-v10': decoder(samples.GREETINGS, decodeHandshakeV10),
  'handshake-response': decoder(samples.HANDSHAKE_RESPONSES, decodeHandshakeResponse),
  ok: decoder(samples.OKS, (bytes, random) =>
    decodeOk(bytes, random.below(2) === 0 ? Capability.SESSION_TRACK : Capability.PROTOCOL_41),
  ),
  err: decoder(samples.ERRS, decodeErr),
  'stmt-prepare-ok': decoder(samples.PREPARE_OKS, decodeStmtPrepareOk),
  'auth-switch-request': decoder(samples.AUTH_SWITCHES, decodeAuthSwitchRequest),
  'session-changes': decoder(samples.SESSION_CHANGES, (bytes) => {
    namesOnlyStatementId(bytes, 0);
    return decodeSessionChanges(bytes);
  }),
  'query-attributes': decoder(samples.QUERIES, (bytes) => {
    hasAttributes(bytes, 0);
    return findQueryText(bytes, 0);
  }),
  execute: EXECUTE,
  'change-user': decoder(samples.CHANGE_USERS, (bytes) => decodeChangeUser(bytes, samples.LOGIN)),
  'proxy-header': PROXY_HEADER,
  'connection-attributes': decoder(samples.ATTRIBUTES, (bytes) => handedOn(bytes, 'client', '')),
  'compressed-reader': COMPRESSED,
  'server-login': SERVER_LOGIN,
  'client-login': CLIENT_LOGIN,
};
