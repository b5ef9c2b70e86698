// How a client says which manifests it trusts: one by its digest, those of certain owners, or whatever it met first.

import { byMember, integer, list, object, oneOf, rule, type Shape, text, wordOr } from '../bytes/shape.ts';
import { type KeyHolder, keyHolders } from '../manifest/key-holders.ts';
import { ed25519Key } from '../manifest/verify-ed25519.ts';

/** A manifest counts only after it has lain in a witnessed log for so long. */
export interface Notice {
  /** 1 to 8760. */
  readonly hours: number;
  /** The log's origin: the first line of its checkpoints. */
  readonly log: string;
  /** The client's own choice: witnesses that a manifest names could be the invention of whoever wrote it. */
  readonly witnesses: readonly KeyHolder[];
  /** How many witnesses must have seen it so long ago. */
  readonly threshold: number;
}

/** Members are the JSON's own. */
export type ManifestPin =
  /** The one manifest that is trusted, by the base64url SHA-256 of its octets. It excludes everyone else's, later versions too. */
  | { readonly pin: 'digest'; readonly digest: string }
  /** Every manifest of a service that so many of these owners signed, or whose owners theirs signed into office (`manifest.history`). */
  | {
      readonly pin: 'owners';
      /** The manifest's `service`: other services of the same owners are not meant. */
      readonly service: string;
      /** Ed25519 keys, base64url. */
      readonly owners: readonly string[];
      readonly threshold: number;
      /** Versions below are refused. */
      readonly minimum_serial: number;
      readonly notice: 'none' | Notice;
    }
  /** Whatever comes first, shown as unverified; every change afterwards is shown and has to be accepted. */
  | { readonly pin: 'first-use' };

const notice: Shape<Notice> = rule(
  object<Notice>({
    hours: integer(1, 8760),
    log: text(/^[!-~]{1,255}$/, 'a log’s origin'),
    witnesses: keyHolders,
    threshold: integer(1, 32),
  }),
  ({ witnesses, threshold }) =>
    threshold <= witnesses.length ? undefined : 'wants more witnesses than it names',
);

const digestPin = object<ManifestPin & { pin: 'digest' }>({
  pin: oneOf('digest'),
  // 43 characters hold 258 bits: the last one's two spare bits must be zero.
  digest: text(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, 'base64url of 32 octets'),
});

const ownersPin = rule(
  object<ManifestPin & { pin: 'owners' }>({
    pin: oneOf('owners'),
    service: text(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'a lower-case name with hyphens and dots'),
    owners: rule(list(ed25519Key, 1, 32), (all) =>
      new Set(all).size === all.length ? undefined : 'has a key twice',
    ),
    threshold: integer(1, 32),
    minimum_serial: integer(1, Number.MAX_SAFE_INTEGER),
    notice: wordOr('none', notice),
  }),
  ({ owners, threshold }) => (threshold <= owners.length ? undefined : 'wants more owners than it names'),
);

/** Shape of a pin. */
export const manifestPin: Shape<ManifestPin> = byMember<ManifestPin>('pin', 'digest', {
  digest: digestPin,
  owners: ownersPin,
  'first-use': object<ManifestPin & { pin: 'first-use' }>({ pin: oneOf('first-use') }),
});

/**
 * The name under which a client remembers the highest version that it saw; undefined where nothing needs remembering.
 * Owners' manifests are the same wherever they come from; what came first belongs to the edge that it came from.
 */
export function memoryNameOf(pin: ManifestPin, origin: string): string | undefined {
  switch (pin.pin) {
    case 'digest':
      return undefined;
    case 'owners':
      return `owners ${pin.service} ${[...pin.owners].sort().join(' ')}`;
    case 'first-use':
      return `first-use ${origin}`;
  }
}
