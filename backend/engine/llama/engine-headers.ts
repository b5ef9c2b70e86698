// What the adapter tells the engine besides the request: whose memory it may use, and whose turn it is.

import type { IncomingMessage } from 'node:http';
import { asObject } from './request-values.ts';
import type { SequenceSlot } from './sequence-slot.ts';
import type { Turn } from './slots.ts';

/** Requests of one salt may find what earlier ones left in the prefix cache; nobody else does. Made by the adapter, never by a client. */
export const CACHE_SALT_HEADER = 'cloister-cache-salt';
/** Requests of one share take turns with those of other shares. The salt when absent: then every session is a share. */
export const FAIR_SHARE_HEADER = 'cloister-fair-share';
const MOST_CHARACTERS = 128;

/** What one request may use, and when. */
export interface Standing {
  readonly salt: string | undefined;
  readonly turn: Turn<SequenceSlot>;
}

/** Reads both headers; a salt may come as the body's `cache_salt` instead, as vLLM takes it. */
export function readStanding({ headers }: IncomingMessage, json: unknown): Standing {
  const salt = known(headers[CACHE_SALT_HEADER]) ?? known(asObject(json)?.cache_salt);
  const share = known(headers[FAIR_SHARE_HEADER]) ?? salt;
  return { salt, turn: { ...(share !== undefined && { share }), prefers: (slot) => slot.holds(salt) } };
}

function known(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= MOST_CHARACTERS ? value : undefined;
}
