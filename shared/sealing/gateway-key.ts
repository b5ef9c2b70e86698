// The gateway's key pair: made here, never serialised, reachable only through what it opens, erasable.

import type { Key, KeyPair, RecipientContext } from 'hpke';
import type { Bytes } from '../bytes/concat.ts';
import { type KeyConfig, makeKeyConfig } from './key-config.ts';
import type { SealingProvider } from './provider.ts';
import { SealingError } from './sealing-error.ts';
import { isSupportedSuite, type Suite } from './suite.ts';

/** A key pair of one epoch. The private half is not a property of it. */
export interface GatewayKey {
  readonly config: KeyConfig;
  /** What `config` offers, in its order. */
  readonly suites: readonly Suite[];
  /** Forgets the private key. Afterwards every request to it fails with `key_unknown`; requests already opened can still be answered. */
  erase(): void;
}

interface PrivateHalf {
  readonly keyPair: KeyPair<Key>;
  readonly provider: SealingProvider;
}

const privateHalves = new WeakMap<GatewayKey, PrivateHalf>();

/**
 * Makes a key pair.
 * @param options.keyId 0 to 255
 * @param options.suites at least one, all of one KEM
 * @throws SealingError `suite_unsupported`, `key_config_malformed` for a key id out of range
 */
export async function generateGatewayKey(options: {
  readonly keyId: number;
  readonly suites: readonly Suite[];
  readonly provider: SealingProvider;
}): Promise<GatewayKey> {
  const { keyId, suites, provider } = options;
  const first = suites[0];
  if (first === undefined || !suites.every((s) => isSupportedSuite(s) && s.kemId === first.kemId))
    throw new SealingError('suite_unsupported');
  const hpke = await provider.cipherSuite(first);
  const keyPair = await hpke.GenerateKeyPair();
  const config = makeKeyConfig({
    keyId,
    kemId: first.kemId,
    publicKey: (await hpke.SerializePublicKey(keyPair.publicKey)) as Bytes,
    algorithms: suites.map(({ kdfId, aeadId }) => ({ kdfId, aeadId })),
  });
  const key: GatewayKey = Object.freeze({
    config,
    suites: [...suites],
    erase: () => void privateHalves.delete(key),
  });
  privateHalves.set(key, { keyPair, provider });
  return key;
}

/** Whether the private key is still there. */
export function isErased(key: GatewayKey): boolean {
  return !privateHalves.has(key);
}

/**
 * Decapsulates with the key's private half, under the provider that made it.
 * @throws SealingError `key_unknown` after erasure, `open_failed` when `enc` is not for this key
 */
export async function setUpRecipient(
  key: GatewayKey,
  suite: Suite,
  enc: Bytes,
  info: Bytes,
): Promise<RecipientContext> {
  const half = privateHalves.get(key);
  if (half === undefined) throw new SealingError('key_unknown');
  const hpke = await half.provider.cipherSuite(suite);
  try {
    return await hpke.SetupRecipient(half.keyPair, enc, { info });
  } catch {
    throw new SealingError('open_failed');
  }
}
