// What engines differ in, as far as a request to them is concerned.

/** How one kind of engine wants to be asked. */
export interface EngineTraits {
  /**
   * How the engine is kept from sharing its prefix cache between sessions. `header`: it reads the salt from `cloister-cache-salt`. `member`: from the JSON
   * member `cache_salt` (vLLM: "Cache Isolation for Security" in its prefix-caching design). `no-reuse`: it knows no salt, so it is told
   * with `cache_prompt: false` to compute every prompt anew (llama-server).
   */
  readonly cacheSalt: 'header' | 'member' | 'no-reuse';
  /** Routes of `TRANSLATED_ROUTES` that the engine is trusted to answer by itself; they pass through like chat completions. */
  readonly nativeRoutes: readonly string[];
}

/** Known kinds. None speaks Responses or Messages natively here: the adapter's translation is one for all, and tested. */
export const ENGINE_TRAITS = {
  'node-llama-cpp': { cacheSalt: 'header', nativeRoutes: [] },
  'llama-server': { cacheSalt: 'no-reuse', nativeRoutes: [] },
  vllm: { cacheSalt: 'member', nativeRoutes: [] },
} as const satisfies Readonly<Record<string, EngineTraits>>;

/** The header of the cache salt, between adapter and engine only. */
export const CACHE_SALT_HEADER = 'cloister-cache-salt';
