// The words that tell a simulator's certificates from AMD's.

/**
 * Stands behind AMD's name in every common name of a simulator's chain. The verifier demands it under a simulator's root
 * and refuses it under AMD's.
 */
export const SIMULATED_SUFFIX = ' (Cloister simulated, not AMD)';
