import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { RwsplitError } from '../../../src/errors.js';
import { signEd25519 } from '../../../src/protocol/auth/ed25519.js';
import { answerParsec, decodeParsecSalt } from '../../../src/protocol/auth/parsec.js';
import { ServerLogin, type LoginStep } from '../../../src/protocol/auth/server-login.js';
import { MalformedPacket } from '../../../src/protocol/malformed-packet.js';
import { decodeAuthSwitchRequest } from '../../../src/protocol/packets/auth-switch-request.js';
import { hex } from './captured/hex.js';

// Logins that a MariaDB 11.8.9 took, and what it keeps of the accounts: public keys.
const PASSWORD = 'pässwörd 1';
const GREETING = hex(
  `0a31312e382e392d4d6172696144422d342066726f6d2044656269616e000f0000006d413c462c47633d00feff2d0200ff81150000000000003d00000045237e713e
   222d5a60525b51006d7973716c5f6e61746976655f70617373776f726400`,
);
const SIGNED = [
  {
    password: PASSWORD,
    publicKey: 'ckzWWdgPuyat+tU23Bs+7D35s26Rlb8mbnWZJvVCi0U',
    nonce: '7ebfc7f428da8a7e0af8f82e85af55f119fcd0455fe8de4178f45c648dc9d7c2',
    signature: `e9c74a23e9c0db15f4dc1d345a2215029503ea692ff03be6874ea09fe956885d
      1b69cba2dff614a57ab20349efd23ce32df9ace22d06af41546f7551c2aa150f`,
  },
  {
    password: '',
    publicKey: '4LH+dBF+G5W2CKTyId8xR3SyDqZoQjUNUVNxx8aWbG4',
    nonce: 'c1e7c8c77cfa69da546de6bb8ab3e49f4028ac740001b01d9c051107df231856',
    signature: `8714a2bd57e615ca0a62d96f836e4724cb5894926bc97b81efcc00f461a7d920
      38379d98f38586d4ea0d17b33eb731c2ad739baeba82814d332f840fe3528401`,
  },
];
const PARSEC = {
  publicKey: '1ZyM2rxFAaA3tlTvukamo3II9mlT1WcTM9Y6opAo/cw',
  request: hex('fe70617273656300b4d6713819b6fe4303aa7ec7e0f9540bd7d457565f1b8716f10363eada78f90a'),
  salt: hex('0150009b7b7055e044cc68e6285f099883479a7b13'),
  answer: hex(
    `89847395c0db3622f16e99f0382ba9a0d86226526504c1a55fcb9b6220acc378
     315f3c20978e960351c33ee414fafb2cf195e304b6a808150123b7d81b6d53f5f0bb20bf41e08505dfaf34cfcf7c80854296d614d0a7c3cd479307b11a43f80c`,
  ),
};
const OK = hex('00000002400000');

/** By Node's own Ed25519, which needs the public key only. */
function isSignedBy(publicKey: string, message: Uint8Array, signature: Uint8Array): boolean {
  const x = publicKey.replaceAll('+', '-').replaceAll('/', '_');
  return verify(null, message, createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }), signature);
}

function greeted(password: string): ServerLogin {
  const login = new ServerLogin({
    ...{ user: 'app', password, capabilities: 0, collation: 45 },
    ...{ attributes: Buffer.alloc(0), tls: 'off', compression: [] },
  });
  expect(login.step(GREETING).kind).toBe('send');
  return login;
}

async function computed(step: LoginStep): Promise<Buffer> {
  if (step.kind !== 'later') throw new Error(`a step of another kind: ${step.kind}`);
  return step.payload;
}

describe('client_ed25519', () => {
  test.each(SIGNED)(
    'signs the nonce as MariaDB wants it: $password',
    async ({ password, publicKey, nonce, signature }) => {
      const signed = await signEd25519(password, hex(nonce));
      expect(signed).toEqual(hex(signature));
      expect(isSignedBy(publicKey, hex(nonce), signed)).toBe(true);
    },
  );

  test('is what an account is switched to, with a nonce whose last byte may be 0', async () => {
    const [{ nonce, signature, publicKey } = { nonce: '', signature: '', publicKey: '' }] = SIGNED;
    const name = Buffer.from('\xfeclient_ed25519\0', 'latin1');
    const login = greeted(PASSWORD);
    expect(await computed(login.step(Buffer.concat([name, hex(nonce)])))).toEqual(hex(signature));
    expect(login.step(OK)).toMatchObject({
      kind: 'logged-in',
      greeting: { serverVersion: '11.8.9-MariaDB-4 from Debian' },
    });
    const zero = Buffer.concat([hex(nonce).subarray(0, 31), Buffer.from([0])]);
    const signed = await computed(greeted(PASSWORD).step(Buffer.concat([name, zero])));
    expect(isSignedBy(publicKey, zero, signed)).toBe(true);
  });

  test('is not done with a nonce of another length', () => {
    const request = Buffer.from('\xfeclient_ed25519\0too short', 'latin1');
    expect(greeted(PASSWORD).step(request)).toMatchObject({ kind: 'failed', error: expect.any(RwsplitError) });
  });
});

describe('parsec', () => {
  const nonce = PARSEC.request.subarray(-32);

  test('answers as MariaDB wants it', async () => {
    const salt = decodeParsecSalt(PARSEC.salt.subarray(1));
    if (salt instanceof MalformedPacket) throw new Error('the salt cannot be read');
    expect(await answerParsec(PASSWORD, nonce, salt, PARSEC.answer.subarray(0, 32))).toEqual(PARSEC.answer);
  });

  test.each([
    ['wrapped', PARSEC.salt],
    ['bare', PARSEC.salt.subarray(1)],
  ])('asks for the salt, which comes %s, and signs both nonces, its own a new one each time', async (_, salt) => {
    const answers: string[] = [];
    for (let i = 0; i < 2; i++) {
      const login = greeted(PASSWORD);
      expect(login.step(PARSEC.request)).toEqual({ kind: 'send', payload: Buffer.alloc(0) });
      const answer = await computed(login.step(salt));
      const own = answer.subarray(0, 32);
      expect(answer).toHaveLength(96);
      expect(isSignedBy(PARSEC.publicKey, Buffer.concat([nonce, own]), answer.subarray(32))).toBe(true);
      answers.push(own.toString('hex'));
      expect(login.step(OK).kind).toBe('logged-in');
    }
    expect(new Set(answers).size).toBe(2);
  });

  test('is refused where the salt is of another length, of another kind, or would take for ever', () => {
    const salt = PARSEC.salt.subarray(1);
    for (let length = 0; length < salt.length; length++) {
      expect(decodeParsecSalt(salt.subarray(0, length))).toBeInstanceOf(MalformedPacket);
    }
    for (const bytes of [
      [0x51, 0],
      [0x50, 11],
      [0x50, 0xff],
    ]) {
      expect(decodeParsecSalt(Buffer.concat([Buffer.from(bytes), salt.subarray(2)]))).toBeInstanceOf(MalformedPacket);
    }
    expect(decodeParsecSalt(Buffer.concat([salt, Buffer.from([0])]))).toBeInstanceOf(MalformedPacket);
  });

  test('may be followed by another plugin, as with accounts that have several', () => {
    const login = greeted(PASSWORD);
    login.step(PARSEC.request);
    const native = Buffer.concat([
      Buffer.from('\xfemysql_native_password\0', 'latin1'),
      Buffer.alloc(20, 7),
      Buffer.alloc(1),
    ]);
    expect(login.step(native)).toMatchObject({ kind: 'send', payload: { length: 20 } });
  });
});

test("MySQL's shorter nonces lose the NUL at their end", () => {
  const request = Buffer.concat([
    Buffer.from('\xfemysql_native_password\0', 'latin1'),
    Buffer.alloc(20, 7),
    Buffer.alloc(1),
  ]);
  expect(decodeAuthSwitchRequest(request)).toMatchObject({ nonce: Buffer.alloc(20, 7) });
});
