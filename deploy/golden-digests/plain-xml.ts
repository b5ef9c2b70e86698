// XML without its tricks: elements, attributes and plain ASCII text, and small readers that refuse whatever was not asked for.

import { DOMParser } from '@xmldom/xmldom';
import { fromUtf8 } from '../../shared/bytes/utf8.ts';
import { RimError, type RimErrorCode } from './rim-error.ts';

/** NVIDIA's files have about 20 kB. */
export const RIM_MAXIMUM_OCTETS = 256 * 1024;
// The deepest text of NVIDIA's files, in a Transform, is five below the root.
const MAXIMUM_DEPTH = 8;

/**
 * Text of the octets, which can hold nothing but tags and plain text: no `<!` (DTD, comment, CDATA), no `<?`, no `&`, no carriage
 * return. So no entity is expanded, nothing hides in a comment, no line end is normalised, and text has one spelling.
 * @throws RimError `rim_too_large` before anything is read, `rim_xml_forbidden`.
 */
export function decodePlain(octets: Uint8Array): string {
  if (octets.length > RIM_MAXIMUM_OCTETS)
    throw new RimError('rim_too_large', `over ${RIM_MAXIMUM_OCTETS} octets`);
  for (const octet of octets)
    if (octet !== 0x0a && octet !== 0x09 && (octet < 0x20 || octet > 0x7e))
      throw new RimError('rim_xml_forbidden', 'an octet outside plain ASCII');
  const text = fromUtf8(octets);
  if (text.includes('<!')) throw new RimError('rim_xml_forbidden', 'a DTD, a comment or CDATA');
  if (text.includes('<?')) throw new RimError('rim_xml_forbidden', 'a processing instruction');
  if (text.includes('&')) throw new RimError('rim_xml_forbidden', 'a reference to an entity or a character');
  return text;
}

/**
 * Parses text of `decodePlain`.
 * @throws RimError `rim_xml_malformed` for anything that the parser would only warn of, for text or a second element beside the root,
 *   and for attributes of the `xml` prefix, which canonical forms treat differently.
 */
export function parsePlain(text: string): Element {
  const refuse = (): never => {
    throw new RimError('rim_xml_malformed', 'not well-formed');
  };
  let document: Document;
  try {
    document = new DOMParser({
      errorHandler: { warning: refuse, error: refuse, fatalError: refuse },
    }).parseFromString(text, 'application/xml');
  } catch {
    return refuse();
  }
  const root = document?.documentElement;
  if (!root || childrenOf(document, 'rim_xml_malformed').length !== 1) return refuse();
  if (/[\s"']xml:/i.test(text)) throw new RimError('rim_xml_malformed', 'an attribute of the xml prefix');
  refuseDepth(root);
  return root;
}

// Level by level: canonicalising recurses, and 256 kB of opening tags would exhaust its stack.
function refuseDepth(root: Element): void {
  let level: readonly Node[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAXIMUM_DEPTH) throw new RimError('rim_xml_malformed', 'nested too deep');
    level = level.flatMap((parent) => {
      const below: Node[] = [];
      for (let at = parent.firstChild; at !== null && at !== undefined; at = at.nextSibling) below.push(at);
      return below;
    });
  }
}

/** Child elements; all else must be white space. */
export function childrenOf(parent: Node, code: RimErrorCode): readonly Element[] {
  const children: Element[] = [];
  for (let at = parent.firstChild; at !== null && at !== undefined; at = at.nextSibling) {
    if (at.nodeType === 1) children.push(at as Element);
    else if (at.nodeType !== 3 || /\S/.test(at.nodeValue ?? ''))
      throw new RimError(code, 'text between elements');
  }
  return children;
}

/** Child elements, which must be exactly these, in this order, of one namespace. */
export function expectChildren<const Names extends readonly string[]>(
  parent: Element,
  namespace: string,
  names: Names,
  code: RimErrorCode,
): { readonly [Index in keyof Names]: Element } {
  const children = childrenOf(parent, code);
  const fits =
    children.length === names.length &&
    children.every((child, index) => child.localName === names[index] && child.namespaceURI === namespace);
  if (!fits) throw new RimError(code, 'an element with other parts than expected');
  return children as unknown as { readonly [Index in keyof Names]: Element };
}

/** The text of an element that holds nothing else. */
export function textOf(element: Element, code: RimErrorCode): string {
  let text = '';
  for (let at = element.firstChild; at !== null && at !== undefined; at = at.nextSibling) {
    if (at.nodeType !== 3) throw new RimError(code, 'an element where text was expected');
    text += at.nodeValue ?? '';
  }
  return text;
}

/** Attributes by `{namespace}name`, declarations of namespaces left out. */
export function attributesOf(element: Element, code: RimErrorCode): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>();
  for (let index = 0; index < element.attributes.length; index++) {
    const attribute = element.attributes.item(index) as Attr;
    if (attribute.name === 'xmlns' || attribute.name.startsWith('xmlns:')) continue;
    const name = `{${attribute.namespaceURI ?? ''}}${attribute.localName}`;
    // Two prefixes for one namespace would make two attributes of the same name.
    if (attributes.has(name)) throw new RimError(code, 'an attribute stands twice');
    attributes.set(name, attribute.value);
  }
  return attributes;
}
