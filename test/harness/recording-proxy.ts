// A TCP proxy on loopback that keeps every octet of both directions, and can change sealed answers on their way.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { AnswerRewriter, type ChangeAnswer } from './rewrite-answers.ts';

interface Connection {
  readonly up: Buffer[];
  readonly down: Buffer[];
}

/** One hop of the journey, seen from its middle. */
export class RecordingProxy {
  readonly origin: string;
  /** Where connections go; until it is set they are refused. */
  targetPort: number | undefined;
  /** Applied to every sealed answer that completes while it is set. What is recorded is what came, before the change. */
  change: ChangeAnswer | undefined;
  readonly #server: Server;
  readonly #connections: Connection[] = [];
  readonly #sockets = new Set<Socket>();

  constructor(server: Server) {
    this.#server = server;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (socket) => this.#carry(socket));
  }

  static async start(): Promise<RecordingProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new RecordingProxy(server);
  }

  get port(): number {
    return Number(new URL(this.origin).port);
  }

  /** Everything that went towards the target, connection after connection. */
  get up(): Buffer {
    return Buffer.concat(this.#connections.flatMap(({ up }) => up));
  }

  /** Everything that the target sent. */
  get down(): Buffer {
    return Buffer.concat(this.#connections.flatMap(({ down }) => down));
  }

  /** How many requests of a method went towards the target. */
  count(method: string): number {
    return this.up.toString('latin1').split(`${method} /`).length - 1;
  }

  /** Ends every connection at once, as a network does that goes away. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close').catch(() => undefined);
  }

  #carry(near: Socket): void {
    this.#sockets.add(near);
    near.on('error', () => undefined).on('close', () => this.#sockets.delete(near));
    if (this.targetPort === undefined) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(this.targetPort, '127.0.0.1');
    this.#sockets.add(far);
    const record: Connection = { up: [], down: [] };
    this.#connections.push(record);
    const rewriter = new AnswerRewriter(() => this.change);
    // A connection that began to be rewritten stays so: the rewriter holds half an answer.
    let rewriting = false;
    near.on('data', (piece) => {
      record.up.push(piece);
      if (this.change !== undefined) rewriting = true;
      far.write(piece);
    });
    far.on('data', (piece) => {
      record.down.push(piece);
      near.write(rewriting ? rewriter.push(piece) : piece);
    });
    near.on('end', () => far.end());
    far.on('end', () => near.end());
    near.on('close', () => far.destroy());
    far
      .on('error', () => near.resetAndDestroy())
      .on('close', () => {
        this.#sockets.delete(far);
        near.destroySoon();
      });
  }
}
