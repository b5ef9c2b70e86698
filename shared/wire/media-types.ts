// The media types of the sealed wire.

/** RFC 9458 section 9, draft-ietf-ohai-chunked-ohttp-08 section 8. */
export const MEDIA_TYPE = {
  keys: 'application/ohttp-keys',
  request: 'message/ohttp-req',
  response: 'message/ohttp-res',
  chunkedRequest: 'message/ohttp-chunked-req',
  chunkedResponse: 'message/ohttp-chunked-res',
  problem: 'application/problem+json',
  /** Octets that mean nothing by themselves. */
  octets: 'application/octet-stream',
} as const;

/** Problem types of RFC 9458 section 5.3, for the `link` of an answer whose body is OpenAI-shaped. */
export const PROBLEM_TYPE = {
  key: 'https://iana.org/assignments/http-problem-types#ohttp-key',
  date: 'https://iana.org/assignments/http-problem-types#date',
} as const;

export type SealedRequestType = typeof MEDIA_TYPE.request | typeof MEDIA_TYPE.chunkedRequest;

/**
 * The sealed request type that a `content-type` value names, or undefined for anything else. Parameters are refused:
 * neither type defines one (RFC 9458 section 9.2), and a lenient reader is a second spelling.
 */
export function sealedRequestType(contentType: string | null | undefined): SealedRequestType | undefined {
  const type = contentType?.trim().toLowerCase();
  return type === MEDIA_TYPE.request || type === MEDIA_TYPE.chunkedRequest ? type : undefined;
}

/** The response type that answers a sealed request type. */
export function sealedResponseType(request: SealedRequestType): string {
  return request === MEDIA_TYPE.request ? MEDIA_TYPE.response : MEDIA_TYPE.chunkedResponse;
}
