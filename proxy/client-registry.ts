/** Clients have ids that no server reaches: a KILL of one of them is about a client, any other is the servers' own. */
const FIRST_ID = 0x4000_0000;
const LAST_ID = 0x7fff_ffff;

/** All clients, by the ids that they are told. */
export class ClientRegistry<Client extends { readonly id: number }> {
  readonly #byId = new Map<number, Client>();
  #lastId: number;

  /** @param lastId the id before the first one to be given */
  constructor(lastId = FIRST_ID - 1) {
    this.#lastId = lastId;
  }

  /** Makes a client with an id that no other has. */
  add(make: (id: number) => Client): Client {
    do this.#lastId = this.#lastId >= LAST_ID ? FIRST_ID : this.#lastId + 1;
    while (this.#byId.has(this.#lastId));
    const client = make(this.#lastId);
    this.#byId.set(client.id, client);
    return client;
  }

  delete(client: Client): void {
    this.#byId.delete(client.id);
  }

  get(id: number): Client | undefined {
    return this.#byId.get(id);
  }
}
