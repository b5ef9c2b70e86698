// The public entry of the package `cloister`: users meet only the guarded form of everything.

export { DecodeError } from '../bytes/decode-error.ts';
export type { ManifestChange } from '../manifest/manifest-diff.ts';
export { nobleCrypto } from '../verifier/noble-crypto.ts';
export type { Policy } from '../verifier/policy.ts';
export { PolicyError, parsePolicy } from '../verifier/policy.ts';
export { VerificationError } from '../verifier/verification-error.ts';
export type { AttestedKey, Step } from '../verifier/verify-bundle.ts';
export { CloisterError, type CloisterErrorCode, StreamTruncatedError } from './cloister-error.ts';
export { type Cloister, type CloisterOptions, createCloister } from './create-cloister.ts';
export {
  type ManifestMemory,
  memoryInProcess,
  memoryInStorage,
  type TextStorage,
} from './manifest-memory.ts';
export type { VerifiedNode } from './verified-session.ts';
export type { ManifestChangeEvent, OnManifestChange } from './verify-remembering.ts';
