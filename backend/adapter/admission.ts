// Whether this node's edge admitted a request: checked first, before any public-key work.

import { checkTicket, importTicketKey, type Ticket } from '../../shared/wire/ticket.ts';
import { Refusal } from './refusal.ts';

/** Holds the ticket key of the current registration. Until the first registration nothing is admitted. */
export class Admission {
  #key: Awaited<ReturnType<typeof importTicketKey>> | undefined;

  /** Takes the 32-octet key that the edge answered a registration with. */
  async renew(octets: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#key = await importTicketKey(octets);
  }

  /**
   * The ticket's claims.
   * @throws Refusal `ticket_refused` when it is absent, forged or expired, or no edge has registered this node.
   */
  async check(ticket: string | undefined, now: Date): Promise<Ticket> {
    const claims = this.#key === undefined ? undefined : await checkTicket(this.#key, ticket, now);
    if (claims === undefined) throw new Refusal('ticket_refused');
    return claims;
  }
}
