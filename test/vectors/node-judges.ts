// The judges of every runtime and those that only Node has: XML is read by owners on their machines, never by a client.

import { judgeReportRims, judgeRimVector } from './judge-rim-vector.ts';
import { JUDGES } from './judges.ts';
import type { Judge } from './vector.ts';

/** Judges by the vector's `kind`, in Node. */
export const NODE_JUDGES: Readonly<Record<string, readonly Judge[]>> = {
  ...JUDGES,
  'nvidia-gpu-report': [...(JUDGES['nvidia-gpu-report'] ?? []), judgeReportRims],
  'nvidia-rim': [judgeRimVector],
};
