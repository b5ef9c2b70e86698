// Members of a request that an engine never sees: they reach past one request, into another's cache, place or account.

/**
 * Removed from the outermost object, whatever their value. All else that is unknown passes.
 * OpenAI: `user`, `safety_identifier`, `metadata` say who asks, `prompt_cache_key` and `prompt_cache_retention` whose cache, `service_tier` whose bill. vLLM:
 * `cache_salt` chooses a cache, `request_id` the name under which an engine aborts, `priority` a place in the queue, `kv_transfer_params` and
 * `data_parallel_rank` another machine's memory. llama-server: `id_slot` and `slot_id` choose the slot whose cache is read, `cache_prompt`
 * and `n_cache_reuse` whether it is, `lora` changes the weights.
 */
export const WITHHELD_MEMBERS: ReadonlySet<string> = new Set([
  'cache_prompt',
  'cache_salt',
  'client_metadata',
  'data_parallel_rank',
  'id_slot',
  'kv_transfer_params',
  'lora',
  'metadata',
  'n_cache_reuse',
  'priority',
  'prompt_cache_key',
  'prompt_cache_retention',
  'request_id',
  'safety_identifier',
  'service_tier',
  'slot_id',
  'user',
]);
