// Whether this node's edge admitted a request: checked first, before any public-key work.

import { timingSafeEqual } from 'node:crypto';
import { readTicket, splitTicket, TICKET_KEY_OCTETS, type Ticket } from '../../shared/wire/ticket.ts';
import { hmacSha256 } from '../keys/node-hkdf.ts';
import { Refusal } from './refusal.ts';

/** Holds the ticket key of the current registration. Until the first registration nothing is admitted. */
export class Admission {
  #key: Uint8Array | undefined;

  /**
   * Takes the 32-octet key that the edge answered a registration with.
   * @throws RangeError on another length
   */
  async renew(octets: Uint8Array): Promise<void> {
    if (octets.length !== TICKET_KEY_OCTETS) throw new RangeError('a ticket key has 32 octets');
    this.#key = octets.slice();
  }

  /**
   * The ticket's claims.
   * @throws Refusal `ticket_refused` when it is absent, forged or expired, or no edge has registered this node.
   */
  async check(ticket: string | undefined, now: Date): Promise<Ticket> {
    const claims = this.#read(ticket, now);
    if (claims === undefined) throw new Refusal('ticket_refused');
    return claims;
  }

  // As checkTicket, without WebCrypto's way through another thread; the JSON is not touched before the MAC held.
  #read(text: string | undefined, now: Date): Ticket | undefined {
    const parts = splitTicket(text);
    if (this.#key === undefined || parts === undefined) return undefined;
    const mac = hmacSha256(this.#key, parts.signed);
    if (parts.mac.length !== mac.length || !timingSafeEqual(parts.mac, mac)) return undefined;
    return readTicket(parts.signed, now);
  }
}
