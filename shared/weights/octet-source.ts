// Reading exactly so many octets at a time, from a file or from a stream.

/** Octets in order. */
export interface OctetSource {
  /** The next `octets` octets, fewer only at the end. What it gives may be overwritten by the next call. */
  read(octets: number): Promise<Uint8Array>;
}

/** What reading from a file needs; node's FileHandle is one. */
export interface ReadableFile {
  read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
}

/** Reads a file from its beginning. While the caller works on one piece, the next of the same size is read already. */
export function sourceOfFile(file: ReadableFile): OctetSource {
  let position = 0;
  let spare: Uint8Array | undefined;
  let ahead: { readonly octets: number; readonly piece: Promise<Uint8Array> } | undefined;

  const readAt = async (buffer: Uint8Array, from: number, octets: number): Promise<Uint8Array> => {
    let filled = 0;
    while (filled < octets) {
      const { bytesRead } = await file.read(buffer, filled, octets - filled, from + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  };
  const buffer = (octets: number): Uint8Array => {
    const reused = spare !== undefined && spare.length >= octets ? spare : new Uint8Array(octets);
    spare = undefined;
    return reused;
  };

  let given: Uint8Array | undefined;
  return {
    async read(octets) {
      const expected = ahead;
      ahead = undefined;
      spare = given;
      let piece = await expected?.piece;
      if (piece === undefined || (piece.length < octets && piece.length === expected?.octets))
        piece = await readAt(new Uint8Array(octets), position, octets);
      else if (piece.length > octets) piece = piece.subarray(0, octets);
      position += piece.length;
      given = new Uint8Array(piece.buffer as ArrayBuffer);
      if (piece.length === octets && octets > 1) {
        const reading = readAt(buffer(octets), position, octets);
        // A failure is the next call's; nobody may be there to hear it now.
        reading.catch(() => undefined);
        ahead = { octets, piece: reading };
      }
      return piece;
    },
  };
}
