// What the adapter offers, and one request on its way to the engine and back: the types that every dialect shares.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import type { PublicErrorCode } from '../../../shared/wire/public-error.ts';
import type { EngineRequest, EngineResponse } from '../../engine/engine.ts';
import type { CacheSalts } from './cache-salt.ts';
import type { EngineTraits } from './engine-traits.ts';

/** What a deployment offers, and what a dialect needs from the node. */
export interface Offer {
  /** The inner routes of the attested surface, `METHOD /path`. */
  readonly routes: readonly string[];
  /** The features of the attested surface. */
  readonly features: readonly string[];
  readonly traits: EngineTraits;
  readonly salts: CacheSalts;
  readonly now: () => Date;
  readonly random: (octets: number) => Bytes;
}

/** One request in the engine's words. */
export interface Translation {
  readonly request: Omit<EngineRequest, 'signal'>;
  /**
   * The engine's answer in the client's words. Nothing is read ahead: whoever cancels its body stops the engine.
   * @throws EngineError `engine_answer_invalid`
   */
  answer(response: EngineResponse): Promise<EngineResponse>;
  /** The last event of a stream whose engine failed. */
  failureEvent(code: PublicErrorCode): string;
}

/** Unix seconds. */
export function unixSeconds(now: Date): number {
  return Math.floor(now.getTime() / 1000);
}

/** A name as OpenAI and Anthropic make them: a prefix and 24 random characters. */
export function newId(prefix: string, random: (octets: number) => Bytes): string {
  return `${prefix}_${Buffer.from(random(18)).toString('base64url').replaceAll(/[-_]/g, '0')}`;
}
