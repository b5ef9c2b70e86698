// What encrypting weights needs of the machine below: the functions of node:crypto, named by their shape because this room imports none.

/** AES-256-GCM and SHA-256 piece by piece. The module `node:crypto` is one. */
export interface WeightsCrypto {
  createCipheriv(algorithm: 'aes-256-gcm', key: Uint8Array, nonce: Uint8Array): GcmCipher;
  /** `final` throws when the tag is wrong. */
  createDecipheriv(
    algorithm: 'aes-256-gcm',
    key: Uint8Array,
    nonce: Uint8Array,
    options: { readonly authTagLength: number },
  ): GcmDecipher;
  createHash(algorithm: 'sha256'): RunningHash;
}

export interface GcmCipher {
  setAAD(aad: Uint8Array): unknown;
  update(data: Uint8Array): Uint8Array;
  final(): Uint8Array;
  getAuthTag(): Uint8Array;
}

export interface GcmDecipher {
  setAAD(aad: Uint8Array): unknown;
  setAuthTag(tag: Uint8Array): unknown;
  update(data: Uint8Array): Uint8Array;
  final(): Uint8Array;
}

export interface RunningHash {
  update(data: Uint8Array): unknown;
  digest(): Uint8Array;
}

/**
 * Gives the memory of a large array back at once. Left to the garbage collector, which sees only small objects here, gigabytes
 * pile up before it runs, and none of it is still in the processor's cache: half of the speed.
 */
export function release({ buffer, byteLength }: Uint8Array): void {
  // Node 20 has no ArrayBuffer.prototype.transfer; there the collector does it.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && byteLength > 4096)
    buffer.transfer?.(0);
}
