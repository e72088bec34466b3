/** What a general query log tells, in its order. */
export type LogEntry =
  /** A server began to write: all connections are new. */
  | { readonly kind: 'started'; readonly version: string }
  | { readonly kind: 'command'; readonly connection: number; readonly command: string; readonly argument: Buffer };

/** A longer argument is cut: nothing is told by the rest of it but where it ends. */
const MAX_ARGUMENT_BYTES = 16 * 1024 * 1024;
/** A header is never longer. */
const MAX_HEADER_BYTES = 256;
const NEWLINE = 0x0a;

const COMMANDS = [
  'Sleep|Quit|Init DB|Query|Field List|Create DB|Drop DB|Refresh|Shutdown|Statistics|Processlist|Connect Out|Connect|Kill',
  'Debug|Ping|Time|Delayed insert|Change user|Binlog Dump GTID|Binlog Dump|Table Dump|Register Replica|Register Slave',
  'Prepare|Execute|Long Data|Close stmt|Reset stmt|Set option|Fetch|Daemon|Reset Connection|clone|Error',
].join('|');
/** Since 5.7 each line has its time; before, one that is the same as the line before it is left out. */
const TIME = String.raw`(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:\d\d)|\d{6} [ \d]\d:\d\d:\d\d|\t)`;
const HEADER = new RegExp(`^${TIME}\t *(\\d+) (${COMMANDS})(?:\t|\\s*$)`);
const STARTED = /, Version: (\d+\.\d+\.\d+\S*) .*started with:\s*$/;

/** Cuts a general query log, as MySQL writes it to a file, into its entries. */
export class GeneralLogParser {
  /** The line under way. */
  #line: Buffer[] = [];
  #lineBytes = 0;
  #command: { connection: number; command: string; lines: Buffer[]; sizeBytes: number } | undefined;
  #entries: LogEntry[] = [];

  /** @returns the entries that are whole now */
  push(chunk: Buffer): readonly LogEntry[] {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.#read(chunk.subarray(start, end));
      this.#endLine();
      start = end + 1;
    }
    if (start < chunk.length) this.#read(chunk.subarray(start));
    return this.#take();
  }

  /** @returns the last entries */
  end(): readonly LogEntry[] {
    if (this.#lineBytes > 0) this.#endLine();
    this.#endCommand();
    return this.#take();
  }

  #take(): readonly LogEntry[] {
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }

  #read(part: Buffer): void {
    if (this.#lineBytes > MAX_ARGUMENT_BYTES) return;
    this.#line.push(part);
    this.#lineBytes += part.length;
  }

  #endLine(): void {
    const [only] = this.#line;
    const line = this.#line.length === 1 && only !== undefined ? only : Buffer.concat(this.#line);
    this.#line = [];
    this.#lineBytes = 0;
    const head = line.toString('latin1', 0, MAX_HEADER_BYTES);
    const header = HEADER.exec(head);
    if (header !== null) {
      this.#endCommand();
      const [{ length }, connection, command = ''] = header;
      this.#command = { connection: Number(connection), command, lines: [], sizeBytes: 0 };
      this.#add(line.subarray(length));
      return;
    }
    const started = STARTED.exec(head);
    if (started === null) {
      this.#add(line);
      return;
    }
    this.#endCommand();
    this.#entries.push({ kind: 'started', version: started[1] ?? '' });
  }

  #add(line: Buffer): void {
    const command = this.#command;
    // Lines before the first header are the file's own.
    if (command === undefined || command.sizeBytes > MAX_ARGUMENT_BYTES) return;
    if (command.lines.length > 0) command.lines.push(Buffer.of(NEWLINE));
    command.lines.push(line);
    command.sizeBytes += line.length + 1;
  }

  #endCommand(): void {
    if (this.#command === undefined) return;
    const { connection, command, lines } = this.#command;
    this.#command = undefined;
    this.#entries.push({ kind: 'command', connection, command, argument: Buffer.concat(lines) });
  }
}
