// The names of what a scripted node can do; apart from it, because tests inside workerd import them too.

/** What a scripted node does with a request, by the octet after the key id. */
export const SCRIPT = {
  echo: 1,
  slowEvents: 2,
  silent: 3,
  endless: 4,
  keyProblem: 5,
  replayDetected: 6,
  htmlFailure: 7,
  redirect: 8,
  plaintext: 9,
  chattyHeaders: 10,
  duplex: 11,
  diesMidway: 12,
  edgeOnlyCode: 13,
  dateProblem: 14,
} as const;

declare module 'vitest' {
  interface ProvidedContext {
    /** Origins of the scripted nodes. */
    nodeAddresses: string[];
  }
}
