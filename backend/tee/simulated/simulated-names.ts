// The common names of the simulator's certificates: AMD's, and behind each that it is not AMD's.

const SUFFIX = ' (Cloister simulated, not AMD)';

export const SIMULATED_NAME = {
  ark: `ARK-Genoa${SUFFIX}`,
  ask: `SEV-Genoa${SUFFIX}`,
  vcek: `SEV-VCEK${SUFFIX}`,
} as const;
