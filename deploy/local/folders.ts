// Where a local start keeps its files: all under `.cloister` in the checkout.

import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export const FOLDER = {
  root: root.replace(/\/$/, ''),
  /** Fetched models, verified by digest. */
  models: `${root}.cloister/models`,
  /** Keys of the simulated platform: they vouch for nothing. */
  platform: `${root}.cloister/simulated-platform`,
  /** The owner's key, and every manifest that it signed. */
  owner: `${root}.cloister/owner`,
  /** One file per running start, naming its processes. */
  ledger: `${root}.cloister/processes`,
  /** One folder per running start. */
  runs: `${root}.cloister/runs`,
} as const;
