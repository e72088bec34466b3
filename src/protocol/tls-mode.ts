/**
 * How far TLS goes, in the words of MySQL's own `--ssl-mode`:
 *
 * | mode | encrypted | the other side's certificate |
 * |---|---|---|
 * | `off` | no | |
 * | `preferred` | where the other side can | not looked at |
 * | `required` | always | not looked at |
 * | `verify-ca` | always | must be signed by a known authority |
 * | `verify-identity` | always | and be that of the host (servers), or of the user (clients) |
 */
export const TLS_MODES = ['off', 'preferred', 'required', 'verify-ca', 'verify-identity'] as const;
export type TlsMode = (typeof TLS_MODES)[number];

export function isTlsMode(text: string): text is TlsMode {
  return TLS_MODES.some((mode) => mode === text);
}

/** Whether the mode refuses a connection without TLS. */
export function demandsTls(mode: TlsMode): boolean {
  return mode !== 'off' && mode !== 'preferred';
}

/** Whether the other side has to prove who it is. */
export function verifiesPeer(mode: TlsMode): boolean {
  return mode === 'verify-ca' || mode === 'verify-identity';
}

export const TLS_VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
export type TlsVersion = (typeof TLS_VERSIONS)[number];
