// The arrows between rooms: every import line of shipped TypeScript against one literal table.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const repository = fileURLToPath(new URL('../..', import.meta.url));

const BELOW_THE_EDGE = ['shared/bytes', 'shared/wire'];
const SHARED = [...BELOW_THE_EDGE, 'shared/sealing', 'shared/evidence', 'shared/verifier', 'shared/manifest'];

/**
 * Which rooms a room may import, besides itself. A room is a folder, or one file where a folder holds files of several heights; the
 * longest match counts. A file in no room fails the test, so a new folder has to be written down here.
 */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  'shared/bytes': [],
  'shared/wire': ['shared/bytes'],
  'shared/sealing': BELOW_THE_EDGE,
  'shared/evidence': BELOW_THE_EDGE,
  'shared/manifest': BELOW_THE_EDGE,
  'shared/weights': ['shared/bytes'],
  'shared/verifier': [...BELOW_THE_EDGE, 'shared/evidence', 'shared/manifest'],
  'shared/client': SHARED,
  'shared/cli': [...SHARED, 'shared/client', 'shared/weights'],
  'shared/page': [...SHARED, 'shared/client'],

  functions: BELOW_THE_EDGE,

  'backend/node-event.ts': SHARED,
  'backend/refuse-tampered-environment.ts': SHARED,
  'backend/keys': SHARED,
  'backend/tee': [...BELOW_THE_EDGE, 'shared/evidence', 'shared/manifest'],
  'backend/engine/sandbox': BELOW_THE_EDGE,
  'backend/engine/weights': [...BELOW_THE_EDGE, 'shared/weights'],
  'backend/engine': [...SHARED, 'backend/engine/sandbox', 'backend/engine/weights'],
  'backend/adapter': [...SHARED, 'backend/keys', 'backend/engine', 'backend/node-event.ts'],
  'backend/attestation-service': [...SHARED, 'backend/keys', 'backend/tee', 'backend/node-event.ts'],
  'backend/enrolment': [
    ...SHARED,
    'backend/attestation-service',
    'backend/keys',
    'backend/tee',
    'backend/node-event.ts',
  ],
  // What is left of backend: main.ts and its configuration.
  backend: [
    ...SHARED,
    'backend/adapter',
    'backend/attestation-service',
    'backend/engine',
    'backend/engine/sandbox',
    'backend/engine/weights',
    'backend/enrolment',
    'backend/keys',
    'backend/node-event.ts',
    'backend/refuse-tampered-environment.ts',
    'backend/tee',
  ],

  'deploy/local': ['*'],
  // For owners of manifests, on their own machines: nothing imports it, and so nothing that runs reads XML.
  'deploy/golden-digests': [...BELOW_THE_EDGE, 'shared/evidence', 'shared/verifier', 'shared/manifest'],
};

/** Packages by room, where the list is short enough to matter. `node:` counts as a package. Other rooms are not held to one. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  'shared/bytes': [],
  'shared/wire': [],
  functions: ['cloudflare:workers', 'hono', 'jose', 'valibot'],
  'deploy/golden-digests': ['@xmldom/xmldom', 'node:fs', 'node:path', 'node:util', 'xml-crypto'],
};

const SHIPPED = ['shared', 'functions', 'backend', 'deploy/local', 'deploy/golden-digests'];

interface Violation {
  readonly file: string;
  readonly imports: string;
  readonly why: string;
}

/** Every import of every shipped file under `root` that goes against the tables. */
function findViolations(root: string): Violation[] {
  return SHIPPED.flatMap((folder) => listTypeScript(root, folder)).flatMap((file) =>
    listImports(readFileSync(join(root, file), 'utf8')).flatMap((specifier) => {
      const why = judge(file, specifier);
      return why === undefined ? [] : [{ file, imports: specifier, why }];
    }),
  );
}

function judge(file: string, specifier: string): string | undefined {
  const from = roomOf(file);
  if (from === undefined) return 'the file is in no room of the table';
  if (!specifier.startsWith('.')) return judgePackage(from, specifier);
  const target = posix.normalize(posix.join(posix.dirname(file), specifier));
  const to = roomOf(target);
  if (to === undefined) return 'the target is in no room of the table';
  const allowed = ARROWS[from] ?? [];
  return to === from || allowed.includes('*') || allowed.includes(to)
    ? undefined
    : `${from} may not import ${to}`;
}

function judgePackage(room: string, specifier: string): string | undefined {
  const name = specifier.startsWith('@')
    ? specifier.split('/').slice(0, 2).join('/')
    : (specifier.split('/')[0] ?? '');
  if (room.startsWith('shared/') && room !== 'shared/cli' && specifier.startsWith('node:'))
    return 'shared uses Web APIs only';
  const allowed = PACKAGES[room];
  return allowed === undefined || allowed.includes(name) ? undefined : `${room} may not import ${name}`;
}

function roomOf(file: string): string | undefined {
  const room = Object.keys(ARROWS)
    .filter((each) => file === each || file.startsWith(`${each}/`))
    .sort((a, b) => b.length - a.length)[0];
  // `backend` stands for the files beside its rooms, so that a new room below it has to be written down.
  return room === 'backend' && file.split('/').length > 2 ? undefined : room;
}

function listTypeScript(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory())
      return ['node_modules', 'dist'].includes(entry.name) ? [] : listTypeScript(root, path);
    return entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts') ? [path] : [];
  });
}

/** The specifiers of static, side-effect, re-exporting, type and dynamic imports. Comment lines do not count. */
function listImports(source: string): string[] {
  const code = source
    .split('\n')
    .filter((line) => !/^\s*(\/\/|\*|\/\*)/.test(line))
    .join('\n');
  const patterns = [
    /(?<![\w/'"-])(?:import|export)\b[^'"`;]*?\bfrom\s*(['"])([^'"]+)\1/g,
    /(?<![\w/'"-])import\s*(['"])([^'"]+)\1/g,
    /\bimport\s*\(\s*(['"`])([^'"`]+)\1/g,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[2] ?? ''));
}

it('every import of shipped code goes along an arrow', () => {
  expect(findViolations(repository)).toEqual([]);
});

it('the table has no circle', () => {
  const open = new Set<string>();
  const visit = (room: string): void => {
    expect(open.has(room), `${room} reaches itself`).toBe(false);
    open.add(room);
    for (const next of ARROWS[room] ?? []) if (next !== '*') visit(next);
    open.delete(room);
  };
  for (const room of Object.keys(ARROWS)) visit(room);
});

describe('a planted import is found', () => {
  const planted = mkdtempSync(join(tmpdir(), 'cloister-arrows-'));
  afterAll(() => rmSync(planted, { recursive: true }));

  it.each([
    [
      'functions/relay/a.ts',
      "import { open } from '../../shared/sealing/open-request.ts';",
      'shared/sealing',
    ],
    ['functions/relay/b.ts', "import type { X } from '../../shared/evidence/x.ts';", 'shared/evidence'],
    [
      'functions/relay/c.ts',
      "export {\n  open,\n} from '../../shared/sealing/open-request.ts';",
      'shared/sealing',
    ],
    ['functions/relay/d.ts', "const x = await import('../../backend/main.ts');", 'backend'],
    ['functions/relay/e.ts', "import '../../shared/client/index.ts';", 'shared/client'],
    ['functions/relay/f.ts', "import { CipherSuite } from 'hpke';", 'hpke'],
    ['functions/relay/g.ts', "import { x25519 } from '@noble/curves/ed25519.js';", '@noble/curves'],
    ['functions/relay/h.ts', "import { Buffer } from 'node:buffer';", 'node:buffer'],
    ['shared/wire/a.ts', "import { readFileSync } from 'node:fs';", 'Web APIs'],
    ['shared/bytes/a.ts', "import { LIMIT } from '../wire/limits.ts';", 'shared/wire'],
    ['backend/keys/a.ts', "import { x } from '../adapter/x.ts';", 'backend/adapter'],
    ['backend/engine/sandbox/a.ts', "import { x } from '../engine.ts';", 'backend/engine'],
    ['backend/adapter/a.ts', "import { x } from '../main.ts';", 'backend'],
    ['backend/new-room/a.ts', "import { x } from '../adapter/x.ts';", 'no room'],
    ['shared/new-room/a.ts', "import { x } from '../bytes/x.ts';", 'no room'],
  ])('%s: %s', (file, source, why) => {
    for (const folder of SHIPPED) mkdirSync(join(planted, folder), { recursive: true });
    mkdirSync(dirname(join(planted, file)), { recursive: true });
    writeFileSync(join(planted, file), `// A planted file.\n\n${source}\n`);
    const found = findViolations(planted).filter((violation) => violation.file === file);
    expect(found.map((violation) => violation.why).join()).toContain(why);
  });
});
