// The first step of a start: an environment that could change what runs is refused before any key exists.

/** Names that change what code the loader or Node runs, or what they trust. The node reads its configuration from one file. */
const REFUSED = /^(LD_|DYLD_|NODE_|UV_|OPENSSL_|SSL_|MALLOC_|GLIBC_|CLOISTER_|HTTPS?_PROXY$|https?_proxy$)/;

/** Thrown with the names of the refused variables, never their values. Code `environment_tampered`. */
export class TamperedEnvironmentError extends Error {
  override readonly name = 'TamperedEnvironmentError';
  readonly code = 'environment_tampered';
  constructor(names: readonly string[]) {
    super(`the environment holds ${names.join(', ')}: start this node with an empty environment`);
  }
}

/** @throws TamperedEnvironmentError when a refused name is set or Node was started with options of its own. */
export function refuseTamperedEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  execArguments: readonly string[],
): void {
  const names = Object.keys(environment).filter((name) => REFUSED.test(name));
  if (execArguments.length > 0) names.push('options of node itself');
  if (names.length > 0) throw new TamperedEnvironmentError(names);
}
