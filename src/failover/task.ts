import type { GtidSet } from '../topology/gtid-set.js';

/** One thing that is done on a node. Each flavour has its own words for it: `flavour/`. */
export type Command =
  | { readonly kind: 'stop-receiving' }
  | { readonly kind: 'start-receiving' }
  /** Asks what it has received and executed: the task's position. */
  | { readonly kind: 'read-position' }
  /** Both threads. */
  | { readonly kind: 'stop-replica' }
  | { readonly kind: 'start-replica' }
  /** Drops the relay log: what is in there and not applied is lost. */
  | { readonly kind: 'forget-source' }
  /** `anew`: it may never have been a replica; else it keeps its relay log and the account that it uses. */
  | { readonly kind: 'follow'; readonly host: string; readonly port: number; readonly anew: boolean }
  | { readonly kind: 'wait-executed'; readonly gtids: GtidSet; readonly timeoutMs: number }
  /** Fails where something of it is missing. */
  | { readonly kind: 'assert-executed'; readonly gtids: GtidSet }
  /** Fails where it has executed anything else. */
  | { readonly kind: 'assert-nothing-else'; readonly gtids: GtidSet }
  | { readonly kind: 'semi-sync-source'; readonly on: boolean; readonly acknowledgements: number }
  | { readonly kind: 'semi-sync-replica'; readonly on: boolean }
  /** Closing waits for statements that run, so long at the most; what waits for longer, or holds locks, makes it fail. */
  | { readonly kind: 'close-for-writes'; readonly waitS: number }
  /** Ends the connections of clients that are in a transaction, or run a statement; those of replicas stay. */
  | { readonly kind: 'end-transactions' }
  | { readonly kind: 'open-for-writes' }
  /** Its binary log goes on in a new file: who asks for what comes next is not made to wait until the old one has been read. */
  | { readonly kind: 'rotate-log' }
  /** So that it comes back closed after a restart. */
  | { readonly kind: 'persist-closed' }
  /** Ends the connections of all but administrators, and lets in no others. */
  | { readonly kind: 'offline'; readonly on: boolean }
  /** All its data are replaced by those of another node. Then it starts anew, or ends where nobody starts it. */
  | { readonly kind: 'clone'; readonly host: string; readonly port: number }
  /** A row that is replicated: every node can tell who is the primary since which epoch. */
  | { readonly kind: 'journal'; readonly epoch: number; readonly serverUuid: string; readonly node: string };

/** What a task is for. */
export const TASKS = [
  'freeze',
  'unfreeze',
  'catch-up',
  'drain',
  'open',
  'record',
  'forget',
  'repoint',
  'fence',
  'close',
  'reopen',
  'restore',
  'rejoin',
  'ask-anew',
  'acknowledge',
  'open-again',
  'journal',
  'rebuild',
] as const;
export type TaskName = (typeof TASKS)[number];

/** Commands that run on one node, one after another, until one fails. */
export interface Task {
  readonly name: TaskName;
  readonly node: string;
  readonly commands: readonly Command[];
  /** No leader may begin it with less time left than this. */
  readonly budgetMs: number;
  /** One line for those who watch. */
  readonly why: string;
}

/** What a node has, as its task read it. */
export interface Position {
  readonly executed: GtidSet;
  readonly received: GtidSet;
}

/** How a task ended. */
export type TaskEnd =
  | { readonly kind: 'done'; readonly task: TaskName; readonly node: string; readonly position: Position | undefined }
  | {
      readonly kind: 'failed';
      readonly task: TaskName;
      readonly node: string;
      /** The one that failed. */
      readonly command: Command['kind'];
      readonly why: string;
      /** It may have been executed all the same, and so may nothing behind it. */
      readonly unknown: boolean;
    };

/** In words, for a dry run and for the log. */
export function describeCommand(command: Command): string {
  switch (command.kind) {
    case 'follow':
      return `follow ${command.host}:${command.port}`;
    case 'wait-executed':
      return `wait until it has executed all it has to, ${command.timeoutMs} ms at the most`;
    case 'assert-executed':
      return 'make sure that nothing is missing';
    case 'assert-nothing-else':
      return 'make sure that it has no transactions of its own';
    case 'semi-sync-source':
      return command.on
        ? `have ${command.acknowledgements} replicas acknowledge each transaction`
        : 'no longer wait for acknowledgements';
    case 'semi-sync-replica':
      return command.on ? 'acknowledge transactions' : 'no longer acknowledge transactions';
    case 'close-for-writes':
      return `become read-only, within ${command.waitS} s`;
    case 'open-for-writes':
      return 'take writes';
    case 'persist-closed':
      return 'stay read-only after a restart';
    case 'offline':
      return command.on ? 'end all clients, and let in no others' : 'let clients in again';
    case 'clone':
      return `replace all data by those of ${command.host}:${command.port}`;
    case 'journal':
      return `record ${command.node} as the primary of epoch ${command.epoch}`;
    case 'stop-receiving':
    case 'start-receiving':
    case 'read-position':
    case 'stop-replica':
    case 'start-replica':
    case 'forget-source':
    case 'end-transactions':
    case 'rotate-log':
      return WORDS[command.kind];
  }
}

const ATTACHES: ReadonlySet<Command['kind']> = new Set(['start-receiving', 'start-replica', 'follow']);

/** Whether a command has a node receive from a source, and acknowledge to it. */
export function attaches(command: Command['kind']): boolean {
  return ATTACHES.has(command);
}

/** Whether the node may receive from another source than before, as the task has ended. */
export function mayHaveAttached({ commands }: Task, end: TaskEnd): boolean {
  const kinds = commands.map(({ kind }) => kind);
  const until = end.kind === 'done' ? kinds.length : kinds.indexOf(end.command) + 1;
  return kinds.slice(0, until).some(attaches);
}

const WORDS = {
  'stop-receiving': 'receive nothing any more',
  'start-receiving': 'receive again',
  'read-position': 'tell what it has received and executed',
  'stop-replica': 'stop replicating',
  'start-replica': 'replicate',
  'forget-source': 'forget its source',
  'end-transactions': 'end the clients that are in a transaction',
  'rotate-log': 'begin a new file of its binary log',
} as const;
