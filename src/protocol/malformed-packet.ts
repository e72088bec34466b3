/** What a decoder returns for bytes that are no such packet. A value, never thrown. */
export class MalformedPacket {
  readonly kind = 'malformed-packet';
  /** Which packet was expected, in the protocol documentation's own word. */
  readonly expected: string;

  constructor(expected: string) {
    this.expected = expected;
  }
}
