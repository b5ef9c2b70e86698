import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { folderEndorsements } from '../../../backend/tee/folder-endorsements.ts';
import { requestTsmReport, type TsmFiles } from '../../../backend/tee/linux-tsm/request-tsm-report.ts';
import { createSnpDriver } from '../../../backend/tee/snp-driver.ts';
import { createTdxDriver } from '../../../backend/tee/tdx-driver.ts';
import { TeeError } from '../../../backend/tee/tee-driver.ts';

const random = (octets: number) => new Uint8Array(randomBytes(octets));
const reportData = new Uint8Array(64).fill(3);

const systemError = (code: string): Error => Object.assign(new Error(code), { code });

/** configfs-tsm as the kernel documents it: a folder appears with its attributes, each write counts, a read computes. */
class FakeKernel implements TsmFiles {
  readonly folders = new Map<string, { inblob?: Uint8Array; generation: number }>();
  readonly options: {
    provider?: string;
    outblob?: (inblob: Uint8Array) => Uint8Array;
    auxblob?: Uint8Array;
    /** Errors of the next reads of `outblob`. */
    failures?: string[];
    /** Somebody else writes into our folder while we read. */
    intruder?: boolean;
    absent?: boolean;
  };
  constructor(options: FakeKernel['options'] = {}) {
    this.options = options;
  }
  async makeFolder(path: string) {
    if (this.options.absent) throw systemError('ENOENT');
    this.folders.set(path, { generation: 0 });
  }
  async write(path: string, octets: Uint8Array) {
    const { folder, name } = this.#find(path);
    if (name !== 'inblob') throw systemError('EACCES');
    if (octets.length > 64) throw systemError('EINVAL');
    folder.inblob = octets;
    folder.generation++;
  }
  async read(path: string) {
    const { folder, name } = this.#find(path);
    const text = (value: string) => new TextEncoder().encode(`${value}\n`);
    if (name === 'provider') return text(this.options.provider ?? 'sev_guest');
    if (name === 'generation') return text(String(folder.generation));
    if (name === 'auxblob') {
      if (this.options.auxblob) return this.options.auxblob;
      throw systemError('ENOENT');
    }
    if (name !== 'outblob' || !folder.inblob) throw systemError('EINVAL');
    const failure = this.options.failures?.shift();
    if (failure) throw systemError(failure);
    if (this.options.intruder) folder.generation++;
    return (this.options.outblob ?? ((inblob) => inblob))(folder.inblob);
  }
  async removeFolder(path: string) {
    this.folders.delete(path);
  }
  async wait() {}
  #find(path: string) {
    const at = path.lastIndexOf('/');
    const folder = this.folders.get(path.slice(0, at));
    if (!folder) throw systemError('ENOENT');
    return { folder, name: path.slice(at + 1) };
  }
}

const ask = (kernel: FakeKernel, provider: 'sev_guest' | 'tdx_guest' = 'sev_guest') =>
  requestTsmReport(reportData, { provider, random, files: kernel });

describe('a report from configfs-tsm', () => {
  it('covers the question, brings the host’s table, and leaves no folder behind', async () => {
    const kernel = new FakeKernel({ auxblob: Uint8Array.of(1, 2) });
    expect(await ask(kernel)).toEqual({ report: reportData, auxiliary: Uint8Array.of(1, 2) });
    expect(kernel.folders.size).toBe(0);
  });
  it('is asked for in a folder of its own each time', async () => {
    const paths = new Set<string>();
    const kernel = new FakeKernel();
    const { makeFolder } = FakeKernel.prototype;
    kernel.makeFolder = (path) => {
      paths.add(path);
      return makeFolder.call(kernel, path);
    };
    await Promise.all([ask(kernel), ask(kernel), ask(kernel)]);
    expect(paths.size).toBe(3);
  });
  it('is asked for again while others are asking', async () => {
    expect((await ask(new FakeKernel({ failures: ['EBUSY', 'EWOULDBLOCK', 'EINTR'] }))).report).toEqual(
      reportData,
    );
  });
  const refusals: readonly (readonly [string, FakeKernel['options'], string])[] = [
    ['no such interface', { absent: true }, 'tee_unavailable'],
    ['another provider', { provider: 'tdx_guest' }, 'tee_unavailable'],
    ['others that never stop asking', { failures: Array.from({ length: 9 }, () => 'EBUSY') }, 'tee_busy'],
    ['a question that somebody changes', { intruder: true }, 'tee_busy'],
    ['firmware that refuses', { failures: ['EIO'] }, 'tee_refused'],
    ['an empty report', { outblob: () => new Uint8Array() }, 'tee_answer_malformed'],
    ['a report over its bound', { outblob: () => new Uint8Array(32 * 1024 + 1) }, 'tee_answer_malformed'],
  ];
  it.each(refusals)('is refused for %s', async (_, options, code) => {
    const kernel = new FakeKernel(options);
    await expect(ask(kernel)).rejects.toMatchObject({ name: 'TeeError', code });
    expect(kernel.folders.size).toBe(0);
  });
  it('takes 64 octets and nothing else', async () => {
    await expect(
      requestTsmReport(new Uint8Array(63), { provider: 'sev_guest', random, files: new FakeKernel() }),
    ).rejects.toThrow(RangeError);
  });
  it('says that this machine has no such interface, with the real file system', async () => {
    await expect(
      requestTsmReport(reportData, { provider: 'sev_guest', random, folder: '/nowhere/tsm/report' }),
    ).rejects.toMatchObject({ code: 'tee_unavailable' });
  });
});

describe('a driver', () => {
  it('asks for one report after the other', async () => {
    let running = 0;
    let most = 0;
    const driver = createTdxDriver({
      requestQuote: async (data) => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running--;
        if (data[0] === 9) throw new TeeError('tee_refused', 'no');
        return data;
      },
      endorsements: {
        forSnpReport: () => Promise.reject(new Error('not asked for')),
        forTdxQuote: async () => {
          const document = {
            document: new Uint8Array(2),
            signature: new Uint8Array(64),
            signer: new Uint8Array(1),
          };
          return {
            tcbInfo: document,
            qeIdentity: document,
            pckCrl: new Uint8Array(1),
            rootCrl: new Uint8Array(1),
          };
        },
      },
    });
    const quoteData = new Uint8Array(32);
    const bad = driver.attest({ reportData: new Uint8Array(64).fill(9), quoteData });
    const good = [1, 2, 3].map((octet) =>
      driver.attest({ reportData: new Uint8Array(64).fill(octet), quoteData }),
    );
    await expect(bad).rejects.toMatchObject({ code: 'tee_refused' });
    expect((await Promise.all(good)).map((evidence) => evidence.kind === 'tdx' && evidence.quote[0])).toEqual(
      [1, 2, 3],
    );
    expect(most).toBe(1);
  });
  it('refuses a report of another length', async () => {
    const driver = createSnpDriver({
      requestReport: async () => ({ report: new Uint8Array(1183), auxiliary: new Uint8Array() }),
      endorsements: folderEndorsements('/nowhere'),
    });
    await expect(driver.attest({ reportData, quoteData: new Uint8Array(32) })).rejects.toMatchObject({
      code: 'tee_answer_malformed',
    });
  });
});
