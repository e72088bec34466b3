/**
 * Capability flags of the handshake.
 * Source: MySQL's protocol documentation, "Capabilities Flags"; `include/mysql_com.h`.
 * All operations on them use `>>> 0`, since bit 31 is taken.
 */
export const Capability = {
  LONG_PASSWORD: 1,
  FOUND_ROWS: 1 << 1,
  LONG_FLAG: 1 << 2,
  CONNECT_WITH_DB: 1 << 3,
  NO_SCHEMA: 1 << 4,
  COMPRESS: 1 << 5,
  ODBC: 1 << 6,
  LOCAL_FILES: 1 << 7,
  IGNORE_SPACE: 1 << 8,
  PROTOCOL_41: 1 << 9,
  INTERACTIVE: 1 << 10,
  SSL: 1 << 11,
  IGNORE_SIGPIPE: 1 << 12,
  TRANSACTIONS: 1 << 13,
  RESERVED: 1 << 14,
  SECURE_CONNECTION: 1 << 15,
  MULTI_STATEMENTS: 1 << 16,
  MULTI_RESULTS: 1 << 17,
  PS_MULTI_RESULTS: 1 << 18,
  PLUGIN_AUTH: 1 << 19,
  CONNECT_ATTRS: 1 << 20,
  PLUGIN_AUTH_LENENC_CLIENT_DATA: 1 << 21,
  CAN_HANDLE_EXPIRED_PASSWORDS: 1 << 22,
  SESSION_TRACK: 1 << 23,
  DEPRECATE_EOF: 1 << 24,
  OPTIONAL_RESULTSET_METADATA: 1 << 25,
  ZSTD_COMPRESSION_ALGORITHM: 1 << 26,
  QUERY_ATTRIBUTES: 1 << 27,
} as const;

/**
 * What a client may turn on when it logs in to us, whatever the proxy is set to: with TLS and compression there is more.
 */
export const OFFERED_TO_CLIENTS =
  (Capability.LONG_PASSWORD |
    Capability.FOUND_ROWS |
    Capability.LONG_FLAG |
    Capability.CONNECT_WITH_DB |
    Capability.NO_SCHEMA |
    Capability.ODBC |
    Capability.LOCAL_FILES |
    Capability.IGNORE_SPACE |
    Capability.PROTOCOL_41 |
    Capability.INTERACTIVE |
    Capability.IGNORE_SIGPIPE |
    Capability.TRANSACTIONS |
    Capability.RESERVED |
    Capability.SECURE_CONNECTION |
    Capability.MULTI_STATEMENTS |
    Capability.MULTI_RESULTS |
    Capability.PS_MULTI_RESULTS |
    Capability.PLUGIN_AUTH |
    Capability.CONNECT_ATTRS |
    Capability.PLUGIN_AUTH_LENENC_CLIENT_DATA |
    Capability.CAN_HANDLE_EXPIRED_PASSWORDS |
    Capability.SESSION_TRACK |
    Capability.DEPRECATE_EOF |
    Capability.OPTIONAL_RESULTSET_METADATA |
    Capability.QUERY_ATTRIBUTES) >>>
  0;

/**
 * The flags that change what a server does or how it answers. A client's server connections are logged in with just these
 * flags of its own, so that answers can be relayed as they come; connections are shared only between clients that agree on them.
 */
export const DIALECT_FLAGS =
  (Capability.FOUND_ROWS |
    Capability.LONG_FLAG |
    Capability.NO_SCHEMA |
    Capability.ODBC |
    Capability.LOCAL_FILES |
    Capability.IGNORE_SPACE |
    Capability.INTERACTIVE |
    Capability.MULTI_STATEMENTS |
    Capability.MULTI_RESULTS |
    Capability.PS_MULTI_RESULTS |
    Capability.DEPRECATE_EOF |
    Capability.OPTIONAL_RESULTSET_METADATA |
    Capability.QUERY_ATTRIBUTES) >>>
  0;

/** The flags that change how an answer is written: where one side lacks one, the other must not have it. */
export const ANSWER_FORMAT_FLAGS =
  (Capability.DEPRECATE_EOF | Capability.OPTIONAL_RESULTSET_METADATA | Capability.QUERY_ATTRIBUTES) >>> 0;

export const COMPRESSION_FLAGS = { zlib: Capability.COMPRESS, zstd: Capability.ZSTD_COMPRESSION_ALGORITHM } as const;

/** What every server connection asks for, whatever the client asked. */
export const SERVER_CONNECTION_FLAGS =
  (Capability.LONG_PASSWORD |
    Capability.PROTOCOL_41 |
    Capability.TRANSACTIONS |
    Capability.RESERVED |
    Capability.SECURE_CONNECTION |
    Capability.PLUGIN_AUTH |
    Capability.CONNECT_ATTRS |
    Capability.PLUGIN_AUTH_LENENC_CLIENT_DATA |
    Capability.CAN_HANDLE_EXPIRED_PASSWORDS |
    Capability.SESSION_TRACK) >>>
  0;

/** @returns whether `flags` has `flag` */
export function hasCapability(flags: number, flag: number): boolean {
  return (flags & flag) !== 0;
}
