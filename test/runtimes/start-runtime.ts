// A runtime by its name, with an entry loaded; and why there is none on this machine.

import type { Calls, Runtime } from './runtime.ts';
import { chromiumPath, startChromium } from './start-chromium.ts';
import { startWorkerd } from './start-workerd.ts';

export const RUNTIME_NAMES = ['node', 'workerd', 'chromium'] as const;
export type RuntimeName = (typeof RUNTIME_NAMES)[number];

/** Why a runtime cannot be started here; undefined where it can. */
export function absenceOf(name: RuntimeName): string | undefined {
  return name === 'chromium' && chromiumPath === undefined ? 'no Chromium on this machine' : undefined;
}

/** Starts it. `entry`: absolute path of a module that exports `calls`. */
export async function startRuntime(name: RuntimeName, entry: string): Promise<Runtime> {
  if (name === 'workerd') return startWorkerd(entry);
  if (name === 'chromium') return startChromium(entry);
  const { calls } = (await import(entry)) as { readonly calls: Calls };
  return {
    name,
    call: async (call, ...args) => calls[call]?.(...(args as never[])),
    close: async () => undefined,
  };
}
