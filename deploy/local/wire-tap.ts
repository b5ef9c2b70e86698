// Watches what leaves this machine for the edge and what comes back, so that a person can look at both sides of the seal.

/** One exchange as the edge saw it: everything here was visible outside the seal. */
export interface TappedExchange {
  readonly method: string;
  readonly url: URL;
  readonly requestHeaders: readonly (readonly [string, string])[];
  readonly requestOctets: number;
  readonly requestHead: Uint8Array;
  status: number;
  responseType: string;
  responseOctets: number;
  responsePieces: number;
  responseHead: Uint8Array;
}

const HEAD_OCTETS = 48;

/** A `fetch` that counts and keeps the first octets of each exchange, and passes everything through untouched. */
export function tapFetch(exchanges: TappedExchange[]): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const sent = init?.body instanceof ArrayBuffer ? new Uint8Array(init.body) : new Uint8Array();
    const exchange: TappedExchange = {
      method: request.method,
      url: new URL(request.url),
      requestHeaders: [...request.headers],
      requestOctets: sent.length,
      requestHead: sent.slice(0, HEAD_OCTETS),
      status: 0,
      responseType: '',
      responseOctets: 0,
      responsePieces: 0,
      responseHead: new Uint8Array(),
    };
    exchanges.push(exchange);
    const response = await fetch(input, init);
    exchange.status = response.status;
    exchange.responseType = response.headers.get('content-type') ?? '';
    const counted = response.body?.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(piece, controller) {
          if (exchange.responsePieces === 0) exchange.responseHead = piece.slice(0, HEAD_OCTETS);
          exchange.responsePieces++;
          exchange.responseOctets += piece.length;
          controller.enqueue(piece);
        },
      }),
    );
    return new Response(counted ?? null, { status: response.status, headers: response.headers });
  };
}
