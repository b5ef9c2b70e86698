// Decides what may stand as the address of a node.

/**
 * Whether the text is an https origin, or an http origin on loopback, spelt exactly as URL prints it: no user, path,
 * query or fragment, and no second spelling of the same host.
 */
export function isNodeAddress(text: string): boolean {
  if (text.length > 256 || !URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.origin !== text) return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

function isLoopback(host: string): boolean {
  // URL has normalised every spelling of an IPv4 address to four decimals.
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}
