import { askProxy, tableOf, type ProxyLogin } from './ask-proxy.js';

/** Prints what a running proxy answers to SHOW RWSPLIT DIGESTS. @throws Error with one clear sentence */
export async function explainProxy(login: ProxyLogin, json: boolean): Promise<void> {
  const rows = await askProxy(login, 'SHOW RWSPLIT DIGESTS');
  if (json) process.stdout.write(rows.map((it) => `${JSON.stringify(it)}\n`).join(''));
  else if (rows.length === 0) process.stdout.write('The proxy has not been asked anything yet.\n');
  else process.stdout.write(tableOf(['count', 'refused', 'target', 'node', 'reason', 'statement'], rows));
}
