import { describe, expect, it } from 'vitest';
import { readCertificateTable } from '../../../backend/tee/sev-guest/certificate-table.ts';
import { openGuestDevice } from '../../../backend/tee/sev-guest/open-guest-device.ts';
import { type GuestDevice, requestGuestReport } from '../../../backend/tee/sev-guest/request-guest-report.ts';
import { concat } from '../../../shared/bytes/concat.ts';
import { fromHex } from '../../../shared/bytes/hex.ts';

const GET_REPORT = 0xc0205300;
const GET_EXT_REPORT = 0xc0205302;
const reportData = Uint8Array.from({ length: 64 }, (_, index) => index);
const noWait = async () => {};

interface Behaviour {
  readonly table?: Uint8Array;
  /** [system error, firmware error, host error] of the next calls. */
  readonly failures?: (readonly [string, number, number])[];
  readonly status?: number;
  readonly reportBytes?: number;
}

/** The kernel's side of `/dev/sev-guest`, after include/uapi/linux/sev-guest.h: it follows the addresses as the kernel does. */
function fakeDevice(behaviour: Behaviour = {}): GuestDevice & { readonly requests: number[] } {
  const memory = new Map<bigint, Uint8Array>();
  const requests: number[] = [];
  let next = 0x1000n;
  const at = (address: bigint): Uint8Array => {
    const found = memory.get(address);
    if (!found) throw new Error('an address that nobody gave');
    return found;
  };
  return {
    requests,
    addressOf(octets) {
      next += 0x10000n;
      memory.set(next, octets);
      return next;
    },
    control(request, argument) {
      requests.push(request);
      expect(argument.length).toBe(32);
      const view = new DataView(argument.buffer);
      if (view.getUint8(0) !== 1) return 'EINVAL';
      const failure = behaviour.failures?.shift();
      if (failure) {
        const [code, firmware, host] = failure;
        view.setUint32(24, firmware, true);
        view.setUint32(28, host, true);
        return code;
      }
      const question = at(view.getBigUint64(8, true));
      const response = at(view.getBigUint64(16, true));
      expect(question.length).toBe(request === GET_EXT_REPORT ? 112 : 96);
      expect(response.length).toBe(4000);
      const questionView = new DataView(question.buffer);
      expect(questionView.getUint32(64, true)).toBe(0);
      if (request === GET_EXT_REPORT) {
        const length = questionView.getUint32(104, true);
        if (length % 4096 !== 0) return 'EINVAL';
        const certificates = at(questionView.getBigUint64(96, true));
        expect(certificates.length).toBe(length);
        certificates.set(behaviour.table ?? new Uint8Array());
      }
      const answer = new DataView(response.buffer);
      answer.setUint32(0, behaviour.status ?? 0, true);
      answer.setUint32(4, behaviour.reportBytes ?? 1184, true);
      response.set(question.subarray(0, 64), 32 + 0x50);
      return 0;
    },
  };
}

describe('a report from /dev/sev-guest', () => {
  it('covers the question and brings the host’s table', async () => {
    const device = fakeDevice({ table: Uint8Array.of(7, 8, 9) });
    const { report, auxiliary } = await requestGuestReport(device, reportData, noWait);
    expect(report.length).toBe(1184);
    expect(report.subarray(0x50, 0x90)).toEqual(reportData);
    expect(auxiliary.subarray(0, 4)).toEqual(Uint8Array.of(7, 8, 9, 0));
    expect(device.requests).toEqual([GET_EXT_REPORT]);
  });
  it('is asked for without certificates where the host’s table is too large', async () => {
    const device = fakeDevice({ failures: [['EIO', 0, 1]] });
    const { auxiliary } = await requestGuestReport(device, reportData, noWait);
    expect(auxiliary.length).toBe(0);
    expect(device.requests).toEqual([GET_EXT_REPORT, GET_REPORT]);
  });
  it('is asked for again while the host throttles, longer each time', async () => {
    const waits: number[] = [];
    const device = fakeDevice({
      failures: [
        ['EIO', 0, 2],
        ['EIO', 0, 2],
      ],
    });
    await requestGuestReport(device, reportData, async (milliseconds) => void waits.push(milliseconds));
    expect(waits).toEqual([500, 1000]);
  });
  const refusals: readonly (readonly [string, Behaviour, string])[] = [
    [
      'a host that throttles for ever',
      { failures: Array.from({ length: 9 }, () => ['EIO', 0, 2] as const) },
      'tee_busy',
    ],
    ['firmware that refuses', { failures: [['EIO', 0x16, 0]] }, 'tee_refused'],
    ['a kernel that refuses', { failures: [['EPERM', 0, 0]] }, 'tee_refused'],
    ['a status that is not success', { status: 0x16 }, 'tee_refused'],
    ['a report of another length', { reportBytes: 1183 }, 'tee_answer_malformed'],
  ];
  it.each(refusals)('is refused for %s', async (_, behaviour, code) => {
    await expect(requestGuestReport(fakeDevice(behaviour), reportData, noWait)).rejects.toMatchObject({
      code,
    });
  });
  it('takes 64 octets and nothing else', async () => {
    await expect(requestGuestReport(fakeDevice(), new Uint8Array(65), noWait)).rejects.toThrow(RangeError);
  });
  it('goes through the real ioctl(2): a device that is none of this kind refuses', async () => {
    const device = await openGuestDevice('/dev/null');
    await expect(requestGuestReport(device, reportData, noWait)).rejects.toThrow(/ENOTTY/);
    device.close();
  });
  it('is unavailable where there is no device', async () => {
    await expect(openGuestDevice('/dev/no-sev-guest')).rejects.toMatchObject({ code: 'tee_unavailable' });
  });
});

describe('the host’s table of certificates', () => {
  const VCEK = '63da758de6644564adc5f4b93be8accd';
  const VLEK = 'a8074bc2a25a483eaae639c045a0b8a1';
  const ASK = '4ab7b379bbac4fe4a02f05aef327c782';
  const ARK = 'c0b406a4a803495297433fb6014cd0ae';
  const entry = (guid: string, offset: number, length: number) => {
    const words = new Uint8Array(8);
    new DataView(words.buffer).setUint32(0, offset, true);
    new DataView(words.buffer).setUint32(4, length, true);
    return concat(fromHex(guid), words);
  };
  const end = new Uint8Array(24);

  it('is read by its names, unknown ones passed over', () => {
    const unknown = 'ff'.repeat(16);
    const table = concat(
      entry(VCEK, 120, 2),
      entry(ASK, 122, 1),
      entry(ARK, 123, 1),
      entry(unknown, 124, 1),
      end,
      Uint8Array.of(1, 2, 3, 4, 5),
    );
    expect(readCertificateTable(table)).toEqual({
      leaf: { kind: 'vcek', certificate: Uint8Array.of(1, 2) },
      ask: Uint8Array.of(3),
      ark: Uint8Array.of(4),
    });
    expect(readCertificateTable(concat(entry(VLEK, 48, 1), end, Uint8Array.of(6)))).toEqual({
      leaf: { kind: 'vlek', certificate: Uint8Array.of(6) },
    });
  });
  it('may offer nothing', () => {
    expect(readCertificateTable(new Uint8Array())).toEqual({});
    expect(readCertificateTable(new Uint8Array(4096))).toEqual({});
  });
  it.each([
    ['an entry outside', concat(entry(VCEK, 48, 2), end, Uint8Array.of(1))],
    ['an entry over itself', concat(entry(VCEK, 0, 2), end)],
    ['an entry twice', concat(entry(VCEK, 72, 1), entry(VCEK, 72, 1), end, Uint8Array.of(1))],
    ['no end', entry(VCEK, 24, 0)],
    ['half an entry', new Uint8Array(23).fill(1)],
    [
      'more entries than anybody has',
      concat(
        ...Array.from({ length: 17 }, (_, i) =>
          entry(i.toString(16).padStart(2, '0').repeat(16).replace(/^00/, '01'), 432, 0),
        ),
        end,
      ),
    ],
  ])('is refused with %s', (_, table) => {
    expect(() => readCertificateTable(table)).toThrow(
      expect.objectContaining({ code: 'tee_answer_malformed' }),
    );
  });
  it('never reads outside, whatever its octets are', () => {
    for (let seed = 0; seed < 2000; seed++) {
      const table = Uint8Array.from({ length: seed % 200 }, (_, index) => (seed * 31 + index * 17) & 0xff);
      try {
        readCertificateTable(table);
      } catch (error) {
        expect(error).toMatchObject({ code: 'tee_answer_malformed' });
      }
    }
  });
});
