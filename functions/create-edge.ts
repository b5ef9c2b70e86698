// Puts gate, relay and directory together into one Hono app, with time, randomness, network and log as arguments.

import { type Context, Hono } from 'hono';
import { toBase64url } from '../shared/bytes/base64url.ts';
import type { Bytes } from '../shared/bytes/concat.ts';
import { LIMIT } from '../shared/wire/limits.ts';
import { BLOB_PATH, DIRECTORY_PATH, GATEWAY_PATH, HEALTH_PATH, MODELS_PATH } from '../shared/wire/routes.ts';
import type { Bindings } from './bindings.ts';
import { askNonce } from './directory/ask-nonce.ts';
import { BundleCache } from './directory/bundle-cache.ts';
import type { Pool } from './directory/pool.ts';
import { type RegistrationContext, registerNode, removeNode } from './directory/register-node.ts';
import { readBlob } from './directory/serve-blob.ts';
import { listKeys, listModels, listNodes, readBundle } from './directory/serve-directory.ts';
import { checkApiKey } from './gate/check-api-key.ts';
import { frameAnswer, preflight } from './gate/frame-answer.ts';
import { type Configuration, ConfigurationError, readConfiguration } from './gate/read-configuration.ts';
import { Refusal, refusalResponse } from './gate/refusal.ts';
import { isInferencePath, refuseUnsealed } from './gate/refuse-unsealed.ts';
import type { LogEvent, RouteName } from './log-event.ts';
import { forwardRequest } from './relay/forward-request.ts';
import { type ReadNodes, RouteTable } from './relay/route-table.ts';

/** What the edge takes from its runtime. */
export interface EdgeRuntime {
  readonly now: () => Date;
  readonly randomOctets: (count: number) => Bytes;
  readonly fetch: typeof fetch;
  readonly log: LogEvent;
  /** Default `LIMIT.upstreamHeaderMilliseconds`. */
  readonly headerMilliseconds?: number;
}

/** What the app knows while it answers one request. */
export interface EdgeEnvironment {
  Bindings: Bindings;
  Variables: { requestId: string; configuration: Configuration };
}

type EdgeContext = Context<EdgeEnvironment>;

const REQUEST_ID_OCTETS = 16;

/** One edge with a route table of its own. Call it once per isolate. */
export function createEdge(runtime: EdgeRuntime): Hono<EdgeEnvironment> {
  const table = new RouteTable();
  const bundles = new BundleCache();
  const app = new Hono<EdgeEnvironment>();

  const poolOf = (c: EdgeContext): DurableObjectStub<Pool> => c.env.POOL.getByName('pool');
  const reader =
    (c: EdgeContext): ReadNodes =>
    async (now) => {
      const nodes = await poolOf(c).list(now);
      runtime.log({ event: 'routes_refreshed', nodes: nodes.length });
      return nodes;
    };
  const routesOf = (c: EdgeContext) => table.routes(reader(c), runtime.now());
  const admit = (c: EdgeContext) => checkApiKey(c.req.raw.headers, c.var.configuration.apiKeys);
  const registration = (c: EdgeContext): RegistrationContext => ({
    configuration: c.var.configuration,
    pool: poolOf(c),
    now: runtime.now(),
    randomOctets: runtime.randomOctets,
    log: runtime.log,
  });

  app.use('*', async (c, next) => {
    const started = runtime.now().getTime();
    c.set('requestId', toBase64url(runtime.randomOctets(REQUEST_ID_OCTETS)));
    await next();
    frameAnswer(c.res, c.var.requestId);
    runtime.log({
      event: 'request',
      route: routeName(c.req.path),
      status: c.res.status,
      milliseconds: runtime.now().getTime() - started,
    });
  });
  app.use('*', async (c, next) => {
    c.set('configuration', readConfiguration(c.env));
    refuseUnsealed(c.req.method, c.req.path, c.req.raw.headers);
    await next();
  });

  app.get(HEALTH_PATH, () => Response.json({ status: 'ok' }, { headers: { 'cache-control': 'no-store' } }));

  app.options(GATEWAY_PATH, () => preflight('GET, POST, OPTIONS'));
  app.get(GATEWAY_PATH, async (c) => listKeys(await routesOf(c)));
  app.post(GATEWAY_PATH, async (c) =>
    forwardRequest(c.req.raw, {
      account: await admit(c),
      requestId: c.var.requestId,
      table,
      readNodes: reader(c),
      now: runtime.now(),
      fetch: runtime.fetch,
      headerMilliseconds: runtime.headerMilliseconds ?? LIMIT.upstreamHeaderMilliseconds,
    }),
  );
  app.all(GATEWAY_PATH, () => refuseMethod('GET, HEAD, POST, OPTIONS'));

  app.options(MODELS_PATH, () => preflight('GET, OPTIONS'));
  app.get(MODELS_PATH, async (c) => {
    await admit(c);
    return listModels(await routesOf(c));
  });

  app.options(DIRECTORY_PATH, () => preflight('GET, OPTIONS'));
  app.get(DIRECTORY_PATH, async (c) => listNodes(await routesOf(c), c.req.query('pool')));
  app.all(DIRECTORY_PATH, () => refuseMethod('GET, HEAD, OPTIONS'));

  const blobPath = `${BLOB_PATH}/:digest` as const;
  app.options(blobPath, () => preflight('GET, OPTIONS'));
  app.get(blobPath, (c) =>
    readBlob(c.req.param('digest'), poolOf(c), bundles, c.req.raw.headers, runtime.now()),
  );
  app.all(blobPath, () => refuseMethod('GET, HEAD, OPTIONS'));

  const nonces = `${DIRECTORY_PATH}/:node/nonces/:nonce` as const;
  app.options(nonces, () => preflight('GET, OPTIONS'));
  app.get(nonces, async (c) => {
    const now = runtime.now();
    const { node, nonce } = c.req.param();
    const route = await table.find(reader(c), now, (routes) => routes.find((each) => each.node === node));
    const { requestId } = c.var;
    const context = { requestId, now, fetch: runtime.fetch, limiter: c.env.NONCE_LIMIT };
    return askNonce(c.req.raw, route, nonce, context);
  });
  app.all(nonces, () => refuseMethod('GET, HEAD, OPTIONS'));

  const nodePath = `${DIRECTORY_PATH}/:node` as const;
  app.options(nodePath, () => preflight('GET, OPTIONS'));
  app.get(nodePath, async (c) => {
    const now = runtime.now();
    const node = c.req.param('node');
    const route = await table.find(reader(c), now, (routes) => routes.find((each) => each.node === node));
    return readBundle(route, poolOf(c), bundles, c.req.raw.headers, now);
  });
  app.put(nodePath, async (c) => {
    const answer = await registerNode(c.req.raw, c.req.param('node'), registration(c));
    table.forget();
    return answer;
  });
  app.delete(nodePath, async (c) => {
    const answer = await removeNode(c.req.raw, c.req.param('node'), registration(c));
    table.forget();
    return answer;
  });
  app.all(nodePath, () => refuseMethod('GET, HEAD, PUT, DELETE, OPTIONS'));

  app.notFound((c) => refuse(c, new Refusal('not_found')));
  app.onError((error, c) => refuse(c, error));

  function refuse(c: EdgeContext, error: Error): Response {
    const route = routeName(c.req.path);
    if (error instanceof Refusal) {
      runtime.log({ event: 'refused', route, code: error.code });
      return refusalResponse(error.code, error.detail);
    }
    if (error instanceof ConfigurationError) {
      runtime.log({ event: 'configuration_refused', variable: error.variable });
      return refusalResponse('edge_misconfigured', {
        message: `The edge is not configured: ${error.message}. Nothing of your request was read.`,
      });
    }
    runtime.log({ event: 'unexpected_failure', route });
    return refusalResponse('internal_error');
  }

  return app;
}

function refuseMethod(allow: string): never {
  throw new Refusal('method_not_allowed', { headers: { allow } });
}

function routeName(path: string): RouteName {
  if (path === GATEWAY_PATH) return 'gateway';
  if (path === MODELS_PATH) return 'models';
  if (isInferencePath(path)) return 'inference';
  if (path === DIRECTORY_PATH || path.startsWith(`${DIRECTORY_PATH}/`) || path.startsWith(`${BLOB_PATH}/`))
    return 'directory';
  return path === HEALTH_PATH ? 'health' : 'other';
}
