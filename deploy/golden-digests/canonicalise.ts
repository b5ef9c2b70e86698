// Canonical XML 1.1 of documents of `plain-xml.ts`, by xml-crypto's Canonical XML 1.0.
//
// xml-crypto has no C14N 1.1. Version 1.1 differs from 1.0 in one thing: which attributes of the `xml` prefix (xml:id, xml:base,
// xml:lang, xml:space) the top element of a document SUBSET takes over from its ancestors (C14N 1.1 section 2.4). Such attributes are
// refused wherever they stand, and the digested octets are those of the whole document but for its signature. So both versions give
// the same octets here. Were this wrong, or the library at fault, a genuine file would be refused: only octets whose digest NVIDIA
// signed are ever read.

import { C14nCanonicalization } from 'xml-crypto';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { toUtf8 } from '../../shared/bytes/utf8.ts';

/** Canonical octets of an element with everything in it; namespaces that its ancestors declare are written on it. */
export function canonicalise(element: Element): Bytes {
  return toUtf8(new C14nCanonicalization().process(element, { ancestorNamespaces: inherited(element) }));
}

// The nearest declaration of each prefix counts (Namespaces in XML section 6.1).
function inherited(element: Element): { prefix: string; namespaceURI: string }[] {
  const found = new Map<string, string>();
  for (let at = element.parentNode; at !== null && at.nodeType === 1; at = at.parentNode) {
    const { attributes } = at as Element;
    for (let index = 0; index < attributes.length; index++) {
      const { name, value } = attributes.item(index) as Attr;
      const prefix =
        name === 'xmlns' ? '' : name.startsWith('xmlns:') ? name.slice('xmlns:'.length) : undefined;
      if (prefix !== undefined && !found.has(prefix)) found.set(prefix, value);
    }
  }
  return [...found].map(([prefix, namespaceURI]) => ({ prefix, namespaceURI }));
}
