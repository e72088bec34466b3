import { ClientLogin } from '../../proxy/client-login.js';
import { ServerLogin } from '../../src/protocol/auth/server-login.js';
import { MessageSplitter, payloadOf } from '../../src/protocol/framing.js';
import { TLS_MODES } from '../../src/protocol/tls-mode.js';
import { pick } from '../random.js';
import { CLIENT_LOGINS, PRIVATE_KEY, PUBLIC_PEM, SERVER_LOGINS } from './samples.js';
import type { FuzzTarget } from './target.js';

function payloadsOf(bytes: Buffer): Buffer[] {
  const splitter = new MessageSplitter(1 << 20);
  splitter.push(bytes);
  const payloads: Buffer[] = [];
  for (let message = splitter.next(); message !== undefined; message = splitter.next())
    payloads.push(payloadOf(message));
  return payloads;
}

/** A server, or somebody in its place, says what it likes while we log in. */
export const SERVER_LOGIN: FuzzTarget = {
  samples: SERVER_LOGINS,
  run(bytes, random) {
    const login = new ServerLogin({
      user: 'app',
      password: pick(random, ['geheim', '']),
      capabilities: random.below(0xffffffff),
      collation: 45,
      attributes: Buffer.alloc(0),
      tls: pick(random, TLS_MODES),
      compression: pick(random, [[], ['zlib'], ['zstd', 'zlib']] as const),
    });
    let secured = false;
    for (const payload of payloadsOf(bytes)) {
      let step = login.step(payload);
      if (step.kind === 'start-tls') {
        if (secured) return 'it begins TLS twice';
        secured = true;
        step = login.secured();
      }
      if (step.kind === 'logged-in' || step.kind === 'failed') break;
      if (!secured && step.kind === 'send' && step.payload.includes('geheim')) {
        return 'it tells the password in the clear';
      }
    }
    return undefined;
  },
};

/** A client says what it likes before it is known. */
export const CLIENT_LOGIN: FuzzTarget = {
  samples: CLIENT_LOGINS,
  run(bytes, random) {
    const known = random.below(4) === 0;
    const secure = random.below(2) === 0;
    const proofs = { knows: () => known, prove: () => known };
    const preferred = pick(random, ['caching_sha2_password', 'mysql_native_password'] as const);
    const login = new ClientLogin({ privateKey: PRIVATE_KEY, publicPem: PUBLIC_PEM }, proofs, secure, preferred);
    for (const payload of payloadsOf(bytes)) {
      const step = login.step(payload);
      if (step.kind === 'proved' && !known) return 'it is logged in without a proof';
      if (step.kind !== 'send') break;
    }
    return undefined;
  },
};
