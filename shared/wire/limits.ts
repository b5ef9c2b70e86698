// Numbers that both sides of a hop must agree on. Units are in the names.

const KIB = 1024;
const MIB = 1024 * KIB;

export const LIMIT = {
  /** A whole sealed request, outside. Cloudflare takes 100 MB; prompts are far smaller. */
  sealedRequestBytes: 16 * MIB,
  /** Plaintext of one chunk: receivers must take it, senders must not exceed it (draft-08 section 3). */
  chunkPlaintextBytes: 16 * KIB,
  /** AES-GCM tag. */
  tagBytes: 16,
  /** A request's header section inside the seal, all field lines together. */
  innerHeaderBytes: 32 * KIB,
  /** A key configuration list. An X-Wing configuration is 1225 octets. */
  keyListBytes: 64 * KIB,
  /** An attestation bundle: statements, evidence, chains and revocation lists of one node or several. */
  bundleBytes: 1 * MIB,
  /** A registration: bundle, signed statement and attestation result. */
  registrationBytes: 2 * MIB,
  /** How far a request's sealed `date` may be from the node's clock. */
  dateSkewSeconds: 300,
  /** Life of an admission ticket. */
  ticketLifeSeconds: 60,
  /** Life of a registration at the edge; nodes renew it well before. */
  registrationLifeSeconds: 120,
  /** How long the relay waits for a node's response headers. */
  upstreamHeaderMilliseconds: 100_000,
} as const;
