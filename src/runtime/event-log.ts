interface Say {
  (what: string): void;
  (fields: object, what: string): void;
}

/** What whoever promotes has to tell. */
export interface EventLog {
  readonly debug: Say;
  readonly info: Say;
  readonly warn: Say;
  readonly error: Say;
}
