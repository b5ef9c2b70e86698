// A small interpreter of the classic BPF that seccomp takes, so that verdicts can be read without a kernel.

/** One system call as a filter sees it. */
export interface SeccompCall {
  readonly architecture: number;
  readonly number: number;
  readonly words?: readonly (number | bigint)[];
}

/** The verdict of a filter, as the SECCOMP_RET_* value. Throws where the program leaves its own bounds or never returns. */
export function interpretBpf(program: Uint8Array, call: SeccompCall): number {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, call.number, true);
  data.setUint32(4, call.architecture, true);
  (call.words ?? []).forEach((word, index) => {
    data.setBigUint64(16 + 8 * index, BigInt.asUintN(64, BigInt(word)), true);
  });
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const length = program.byteLength / 8;
  let accumulator = 0;
  for (let at = 0; at < length; at++) {
    const code = view.getUint16(8 * at, true);
    const k = view.getUint32(8 * at + 4, true);
    const jump = (taken: boolean) => {
      at += view.getUint8(8 * at + (taken ? 2 : 3));
    };
    if (code === 0x20) accumulator = data.getUint32(k, true);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x15) jump(accumulator === k);
    else if (code === 0x35) jump(accumulator >= k);
    else if (code === 0x06) return k;
    else throw new Error(`instruction ${code.toString(16)} at ${at}`);
  }
  throw new Error('ran past the end');
}

/** Whether every jump lands inside the program and every path ends in a return: what the kernel checks when it loads one. */
export function isWellFormed(program: Uint8Array): boolean {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const length = program.byteLength / 8;
  if (!Number.isInteger(length) || length === 0 || length > 4096) return false;
  for (let at = 0; at < length; at++) {
    const code = view.getUint16(8 * at, true);
    const isJump = (code & 0x07) === 0x05;
    const farthest = isJump ? Math.max(view.getUint8(8 * at + 2), view.getUint8(8 * at + 3)) : 0;
    if (isJump && at + 1 + farthest >= length) return false;
  }
  return view.getUint16(8 * (length - 1), true) === 0x06;
}
