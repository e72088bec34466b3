import type { Socket } from 'node:net';

/** A peer that does not close its side after a good-bye is not waited for. */
const CLOSE_TIMEOUT_MS = 1_000;

/**
 * Ends a connection when all that was written has been sent: what the peer does then, or goes on to send, keeps it no longer. A peer
 * that takes nothing is not waited for either.
 */
export function endSocket(socket: Socket): void {
  const closeSoon = (): void => {
    const timer = setTimeout(() => socket.destroy(), CLOSE_TIMEOUT_MS);
    socket.once('close', () => clearTimeout(timer));
  };
  if (socket.writableFinished) closeSoon();
  else socket.once('finish', closeSoon);
  socket.end();
  socket.setTimeout(CLOSE_TIMEOUT_MS, () => socket.destroy());
}
