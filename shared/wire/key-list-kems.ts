// The KEM ids in an `application/ohttp-keys` list: all that a reader needs who opens nothing (RFC 9458 section 3.2).

/** KEM ids that resist a quantum computer: MLKEM768-X25519, also called X-Wing (draft-ietf-hpke-pq). */
export const POST_QUANTUM_KEMS: ReadonlySet<number> = new Set([0x647a]);

/**
 * The KEM id of every key configuration, in order; undefined when the list is not whole. Each entry is a 16-bit length
 * and a configuration, which begins with an 8-bit key id and the 16-bit KEM id.
 */
export function readKemIds(keyList: Uint8Array): readonly number[] | undefined {
  const view = new DataView(keyList.buffer, keyList.byteOffset, keyList.byteLength);
  const kems: number[] = [];
  let offset = 0;
  while (offset < keyList.length) {
    if (offset + 5 > keyList.length) return undefined;
    const length = view.getUint16(offset);
    if (length < 3 || offset + 2 + length > keyList.length) return undefined;
    kems.push(view.getUint16(offset + 3));
    offset += 2 + length;
  }
  return kems.length > 0 ? kems : undefined;
}
