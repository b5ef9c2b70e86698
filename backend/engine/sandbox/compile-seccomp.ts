// Compiles a list of system call rules into the classic BPF program that seccomp takes.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { SYSCALLS_ARM64 } from './syscalls-arm64.ts';
import { SYSCALLS_X64 } from './syscalls-x64.ts';

/** Architectures with a table. */
export type SeccompArchitecture = 'x64' | 'arm64';

/** A system call that at least one table knows. */
export type SyscallName = keyof typeof SYSCALLS_X64 | keyof typeof SYSCALLS_ARM64;

/**
 * A condition on one argument. `anyOf` compares the low 32 bits under `mask`: right where the kernel itself takes an int or
 * an unsigned int, as it then ignores the high half. `noneOf` is its opposite. `isNull` demands that all 64 bits are zero.
 */
export type ArgumentCheck =
  | { readonly argument: number; readonly mask?: number; readonly anyOf: readonly number[] }
  | { readonly argument: number; readonly noneOf: readonly number[] }
  | { readonly argument: number; readonly isNull: true };

/** What to do with one system call: allowed where all checks hold, otherwise answered with `errno`. No check: allowed. */
export interface SyscallRule {
  readonly name: SyscallName;
  readonly checks?: readonly ArgumentCheck[];
  readonly errno?: number;
  /** Always answered with `errno`. */
  readonly refuse?: true;
}

/** EPERM: the answer for everything that no rule allows. */
export const EPERM = 1;

// linux/audit.h
const AUDIT_ARCH = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;
// linux/seccomp.h
const RET_KILL_PROCESS = 0x80000000;
const RET_ERRNO = 0x00050000;
const RET_ALLOW = 0x7fff0000;
// asm/unistd.h: __X32_SYSCALL_BIT
const X32_BIT = 0x40000000;
// struct seccomp_data: nr at 0, arch at 4, args (u64 each, little endian on both architectures) from 16
const OFFSET_NR = 0;
const OFFSET_ARCH = 4;
const OFFSET_ARGUMENTS = 16;
// linux/bpf_common.h
const LOAD_WORD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const AND = 0x54;
const RETURN = 0x06;
/** BPF_MAXINSNS of linux/bpf_common.h. */
const MAX_INSTRUCTIONS = 4096;

type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, k: number];

/**
 * Compiles rules for one architecture: 8 octets per instruction, as `struct sock_filter` lies in memory.
 * A foreign architecture is killed, x32 numbers and everything without a rule get EPERM. Rules for calls that the
 * architecture lacks are left out.
 * @throws RangeError on two rules for one call, an argument outside 0-5, or a program the kernel would not take.
 */
export function compileSeccomp(rules: readonly SyscallRule[], architecture: SeccompArchitecture): Bytes {
  const table: Readonly<Record<string, number>> = architecture === 'x64' ? SYSCALLS_X64 : SYSCALLS_ARM64;
  const program: Instruction[] = [
    [LOAD_WORD, 0, 0, OFFSET_ARCH],
    [JUMP_EQUAL, 1, 0, AUDIT_ARCH[architecture]],
    [RETURN, 0, 0, RET_KILL_PROCESS],
    [LOAD_WORD, 0, 0, OFFSET_NR],
  ];
  if (architecture === 'x64') program.push([JUMP_AT_LEAST, 0, 1, X32_BIT], [RETURN, 0, 0, RET_ERRNO | EPERM]);
  const seen = new Set<string>();
  for (const rule of rules) {
    if (seen.has(rule.name)) throw new RangeError(`two rules for ${rule.name}`);
    seen.add(rule.name);
    const number = table[rule.name];
    if (number === undefined) continue;
    const body = compileRule(rule);
    program.push([JUMP_EQUAL, 0, shortJump(body.length), number], ...body);
  }
  program.push([RETURN, 0, 0, RET_ERRNO | EPERM]);
  if (program.length > MAX_INSTRUCTIONS) throw new RangeError('seccomp program too long');
  return encode(program);
}

// Every body ends in a return on every path, so nothing after it needs the system call number loaded again.
function compileRule(rule: SyscallRule): Instruction[] {
  const refuse: Instruction = [RETURN, 0, 0, RET_ERRNO | (rule.errno ?? EPERM)];
  if (rule.refuse) return [refuse];
  const body: Instruction[] = [];
  for (const check of rule.checks ?? []) {
    if (!Number.isInteger(check.argument) || check.argument < 0 || check.argument > 5)
      throw new RangeError('argument outside 0-5');
    const low = OFFSET_ARGUMENTS + 8 * check.argument;
    if ('isNull' in check) {
      body.push([LOAD_WORD, 0, 0, low], [JUMP_EQUAL, 1, 0, 0], refuse);
      body.push([LOAD_WORD, 0, 0, low + 4], [JUMP_EQUAL, 1, 0, 0], refuse);
      continue;
    }
    body.push([LOAD_WORD, 0, 0, low]);
    if ('noneOf' in check) {
      for (const value of check.noneOf) body.push([JUMP_EQUAL, 0, 1, value], refuse);
      continue;
    }
    if (check.mask !== undefined) body.push([AND, 0, 0, check.mask]);
    check.anyOf.forEach((value, index) => {
      // past the remaining comparisons and the refusal
      body.push([JUMP_EQUAL, shortJump(check.anyOf.length - index), 0, value]);
    });
    body.push(refuse);
  }
  body.push([RETURN, 0, 0, RET_ALLOW]);
  return body;
}

function shortJump(instructions: number): number {
  if (instructions > 255) throw new RangeError('a jump reaches 255 instructions at most');
  return instructions;
}

function encode(program: readonly Instruction[]): Bytes {
  const octets = new Uint8Array(8 * program.length);
  const view = new DataView(octets.buffer);
  program.forEach(([code, jumpTrue, jumpFalse, k], index) => {
    view.setUint16(8 * index, code, true);
    view.setUint8(8 * index + 2, jumpTrue);
    view.setUint8(8 * index + 3, jumpFalse);
    view.setUint32(8 * index + 4, k, true);
  });
  return octets;
}
