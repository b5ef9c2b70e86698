// The admission ticket: what the relay adds so that a node serves only what its edge admitted (design: wire, "Outside").

import { fromBase64url, toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { fromUtf8, toUtf8 } from '../bytes/utf8.ts';

/** What a ticket says. Opaque to everyone but edge and node, and nothing in it is about content. */
export interface Ticket {
  /** Opaque account handle; only the edge can resolve it. */
  readonly account: string;
  /** The edge's request id. */
  readonly request: string;
  /** Largest sealed request, in octets, that the edge admitted. */
  readonly maxRequestBytes: number;
  /** Unix seconds. */
  readonly expires: number;
}

const PREFIX = 'v1.';
/** Octets of the key that an edge and its nodes share. */
export const TICKET_KEY_OCTETS = 32;

/**
 * Imports the 32-octet key that the edge gave the node at registration.
 * @throws RangeError on another length.
 */
export async function importTicketKey(octets: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  if (octets.length !== TICKET_KEY_OCTETS) throw new RangeError('a ticket key has 32 octets');
  return crypto.subtle.importKey('raw', octets, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
}

/** `v1.<base64url JSON>.<base64url HMAC-SHA256 over everything before the last dot>`. */
export async function makeTicket(key: CryptoKey, ticket: Ticket): Promise<string> {
  const signed = PREFIX + toBase64url(toUtf8(JSON.stringify(ticket)));
  return `${signed}.${toBase64url(new Uint8Array(await crypto.subtle.sign('HMAC', key, toUtf8(signed))))}`;
}

/** The ticket, or undefined when it is absent, malformed, forged or expired: one answer for all four. */
export async function checkTicket(
  key: CryptoKey,
  text: string | null | undefined,
  now: Date,
): Promise<Ticket | undefined> {
  const parts = splitTicket(text);
  // WebCrypto compares in constant time; the JSON is not touched before the MAC held.
  if (parts === undefined || !(await crypto.subtle.verify('HMAC', key, parts.mac, parts.signed)))
    return undefined;
  return readTicket(parts.signed, now);
}

/** What the MAC is over, and the MAC, for whoever computes it elsewhere; undefined for what is no ticket. */
export function splitTicket(
  text: string | null | undefined,
): { readonly signed: Bytes; readonly mac: Bytes } | undefined {
  if (!text?.startsWith(PREFIX) || text.length > 1024) return undefined;
  const dot = text.lastIndexOf('.');
  try {
    return { signed: toUtf8(text.slice(0, dot)), mac: fromBase64url(text.slice(dot + 1)) };
  } catch {
    return undefined;
  }
}

/** The claims of a ticket whose MAC held; undefined when it is malformed or expired. */
export function readTicket(signed: Uint8Array, now: Date): Ticket | undefined {
  try {
    const ticket = JSON.parse(fromUtf8(fromBase64url(fromUtf8(signed).slice(PREFIX.length)))) as Ticket;
    return ticket.expires * 1000 > now.getTime() ? ticket : undefined;
  } catch {
    return undefined;
  }
}
