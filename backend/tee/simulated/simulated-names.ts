// The common names of the simulator's certificates: AMD's, and behind each that it is not AMD's.

import { SIMULATED_SUFFIX } from '../../../shared/evidence/simulated-suffix.ts';

export const SIMULATED_NAME = {
  ark: `ARK-Genoa${SIMULATED_SUFFIX}`,
  ask: `SEV-Genoa${SIMULATED_SUFFIX}`,
  vcek: `SEV-VCEK${SIMULATED_SUFFIX}`,
} as const;
