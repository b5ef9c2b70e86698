// What a client trusts, as JSON: the manifest it pins, the roots it accepts, and two switches. Nothing is implied.

import {
  boolean,
  hexText,
  list,
  object,
  oneOf,
  type Problem,
  readShape,
  type Shape,
} from '../bytes/shape.ts';
import { type ManifestPin, manifestPin } from './manifest-pin.ts';

/** Every member is a decision; none may be left out. */
export interface Policy {
  readonly version: 1;
  /** Which manifests are trusted. */
  readonly manifest: ManifestPin;
  readonly roots: {
    /** AMD's pinned roots. */
    readonly hardware: boolean;
    /** Simulators, each by the hex SHA-256 of its root's SubjectPublicKeyInfo. What they vouch for shows as simulated. */
    readonly simulated: readonly string[];
  };
  /** Refuse a node without a post-quantum key configuration. */
  readonly require_post_quantum: boolean;
  /**
   * Refuse a manifest that names no attestation service. False accepts one that names none; it never weakens one that does: then
   * evidence and a fresh result are both wanted, whatever a policy says.
   */
  readonly require_result: boolean;
  /** Accept Milan, whose firmware holes reach back furthest. */
  readonly accept_milan: boolean;
}

/** A policy that was refused. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
  readonly code = 'policy_malformed';
  /** Everything that is wrong, with paths. */
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[]) {
    super(
      `policy is not valid: ${problems.map(({ path, message }) => `${path || 'policy'} ${message}`).join('; ')}`,
    );
    this.problems = problems;
  }
}

const shape: Shape<Policy> = object<Policy>({
  version: oneOf(1),
  manifest: manifestPin,
  roots: object<Policy['roots']>({ hardware: boolean, simulated: list(hexText(32), 0, 64) }),
  require_post_quantum: boolean,
  require_result: boolean,
  accept_milan: boolean,
});

/**
 * Reads a policy from parsed JSON.
 * @throws PolicyError with every problem: unknown, missing and wrong members.
 */
export function parsePolicy(value: unknown): Policy {
  const read = readShape(shape, value);
  if (!read.ok) throw new PolicyError(read.problems);
  return read.value;
}
