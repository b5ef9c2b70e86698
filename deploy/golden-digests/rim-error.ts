// The one error of this folder: a reference file that is not what NVIDIA signed, or not what a manifest can take.

/** Closed set. */
export type RimErrorCode =
  /** Over the bound, before anything is read. */
  | 'rim_too_large'
  /** DTD, comment, CDATA, processing instruction, reference to an entity or character, or an octet outside plain ASCII. */
  | 'rim_xml_forbidden'
  | 'rim_xml_malformed'
  /** Not exactly one Signature, not a child of the root, or its parts are others than expected. */
  | 'rim_signature_structure'
  /** Not exactly one Reference, or not to the whole document. */
  | 'rim_reference'
  | 'rim_algorithm'
  /** Something other than certificates beside the signature, or another number of them. */
  | 'rim_key_info'
  | 'rim_certificate_malformed'
  | 'rim_root_unknown'
  /** Names, keys and purposes along the chain do not fit. */
  | 'rim_chain_profile'
  | 'rim_chain_signature'
  | 'rim_certificate_not_valid_then'
  | 'rim_signature_invalid'
  | 'rim_digest_differs'
  /** Signed, but not a reference file of a GPU's measurements. */
  | 'rim_content_malformed'
  /** For another product than Hopper. */
  | 'rim_product'
  /** The version is neither a driver's nor a VBIOS's, or the file's name says another. */
  | 'rim_version'
  | 'rim_index_twice'
  | 'rim_no_alternative'
  | 'rim_hash_size'
  /** A VBIOS without the name of its board. */
  | 'rim_board_unknown'
  /** Two files for the same version. */
  | 'rim_given_twice'
  /** A driver's and a VBIOS's file claim the same block. */
  | 'rim_block_conflict';

/** A refused reference file. `detail` is a fixed phrase, a number or a name out of a checked set, never text of the file. */
export class RimError extends Error {
  override readonly name = 'RimError';
  readonly code: RimErrorCode;
  readonly detail: string;
  constructor(code: RimErrorCode, detail: string) {
    super(`${code}: ${detail}`);
    this.code = code;
    this.detail = detail;
  }
}
