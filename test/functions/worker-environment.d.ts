// The bindings that tests get from `cloudflare:workers`.

import type { Bindings } from '../../functions/bindings.ts';

declare global {
  namespace Cloudflare {
    interface Env extends Bindings {}
  }
}
