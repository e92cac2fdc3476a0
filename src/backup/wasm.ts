/**
 * As much of a WebAssembly assembler as the hot loops over rows need: code is bytes, an expression is the concatenation of its operands
 * and its opcode. So there is no binary in the repository that nobody can read, and no compiler to install.
 */
export type Code = readonly number[];

export const I32 = 0x7f;
export const I64 = 0x7e;
export const V128 = 0x7b;
export type ValueType = typeof I32 | typeof I64 | typeof V128;

const VOID = 0x40;
const END = 0x0b;

const unsigned = (value: number): number[] => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)]);

const signed = (value: bigint): number[] => {
  const low = Number(value & 0x7fn);
  const rest = value >> 7n;
  const done = (rest === 0n && low < 0x40) || (rest === -1n && low >= 0x40);
  return done ? [low] : [low | 0x80, ...signed(rest)];
};

export const i32 = (value: number): Code => [0x41, ...signed(BigInt(value))];
export const i64 = (value: bigint): Code => [0x42, ...signed(BigInt.asIntN(64, value))];

export const get = (local: number): Code => [0x20, ...unsigned(local)];
/** Takes the value from the stack when none is given, as after a call. */
export const set = (local: number, value: Code = []): Code => [...value, 0x21, ...unsigned(local)];

const binary =
  (opcode: number) =>
  (a: Code, b: Code): Code => [...a, ...b, opcode];

export const eq32 = binary(0x46);
export const lt32 = binary(0x49);
export const gt32 = binary(0x4b);
export const le32 = binary(0x4d);
export const ge32 = binary(0x4f);
export const lt64 = binary(0x54);
export const add32 = binary(0x6a);
export const sub32 = binary(0x6b);
export const and32 = binary(0x71);
export const or32 = binary(0x72);
/** How many of the lowest bits are 0. */
export const ctz32 = (value: Code): Code => [...value, 0x68];
export const shl32 = binary(0x74);
export const add64 = binary(0x7c);
export const sub64 = binary(0x7d);
export const mul64 = binary(0x7e);
export const xor64 = binary(0x85);
export const shr64 = binary(0x88);
export const rotl64 = binary(0x89);
export const wrap = (value: Code): Code => [...value, 0xa7];
export const extend = (value: Code): Code => [...value, 0xad];

/** Little-endian reads and writes, unaligned: the second operand is 0 for "no alignment promised". */
export const load64 = (address: Code, offset = 0): Code => [...address, 0x29, 0, ...unsigned(offset)];
export const load32 = (address: Code): Code => [...address, 0x35, 0, 0];
export const load8 = (address: Code): Code => [...address, 0x31, 0, 0];
export const store64 = (address: Code, value: Code, offset = 0): Code => [...address, ...value, 0x37, 0, ...unsigned(offset)];

/** As above, into and out of 32 bits. */
export const get32 = (address: Code): Code => [...address, 0x28, 0, 0];
export const get16 = (address: Code): Code => [...address, 0x2f, 0, 0];
export const get8 = (address: Code): Code => [...address, 0x2d, 0, 0];
export const put32 = (address: Code, value: Code, offset = 0): Code => [...address, ...value, 0x36, 0, ...unsigned(offset)];
export const put16 = (address: Code, value: Code): Code => [...address, ...value, 0x3b, 0, 0];
export const put8 = (address: Code, value: Code, offset = 0): Code => [...address, ...value, 0x3a, 0, ...unsigned(offset)];
/** Copies `length` bytes, which may overlap. */
export const copy = (to: Code, from: Code, length: Code): Code => [...to, ...from, ...length, 0xfc, 10, 0, 0];

/** Sixteen bytes at once. */
export const load128 = (address: Code): Code => [...address, 0xfd, 0, 0, 0];
export const store128 = (address: Code, value: Code): Code => [...address, ...value, 0xfd, 11, 0, 0];
export const const128 = (bytes: readonly number[]): Code => [0xfd, 12, ...bytes];
/** Byte i is that byte of `table` which byte i of `places` names. */
export const pick128 = (table: Code, places: Code): Code => [...table, ...places, 0xfd, 14];
export const eq128 = (a: Code, b: Code): Code => [...a, ...b, 0xfd, 35];
export const and128 = (a: Code, b: Code): Code => [...a, ...b, 0xfd, 78];
export const or128 = (a: Code, b: Code): Code => [...a, ...b, 0xfd, 80];
/** Bit i is the highest one of byte i. */
export const mask128 = (value: Code): Code => [...value, 0xfd, 100];

/** Ends the call with an error. */
export const trap: Code = [0x00];

export const call = (func: number, ...operands: Code[]): Code => [...operands.flat(), 0x10, ...unsigned(func)];
export const drop: Code = [0x1a];

export const when = (condition: Code, then: Code, otherwise: Code): Code => [...condition, 0x04, VOID, ...then, 0x05, ...otherwise, END];
/** Runs the body as long as the condition holds, which is asked first. */
export const loop = (condition: Code, body: Code): Code => [
  0x02,
  VOID,
  0x03,
  VOID,
  ...condition,
  0x45,
  0x0d,
  1,
  ...body,
  0x0c,
  0,
  END,
  END,
];

export interface Func {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
  /** Numbered behind the parameters. */
  readonly locals: readonly ValueType[];
  readonly body: Code;
}

const vector = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content];
const text = (value: string): Code => vector([...Buffer.from(value)].map((byte) => [byte]));

/** A module of these functions, numbered in order and exported by name, over one imported memory: `{ env: { memory } }`. */
export const assemble = (funcs: Readonly<Record<string, Func>>): Uint8Array<ArrayBuffer> => {
  const all = Object.entries(funcs);
  const types = all.map(([, { params, results }]) => [
    0x60,
    ...vector(params.map((type) => [type])),
    ...vector(results.map((type) => [type])),
  ]);
  const bodies = all.map(([, { locals, body }]) => [...vector(locals.map((type) => [1, type])), ...body, END]);
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, vector(types)),
    ...section(2, vector([[...text('env'), ...text('memory'), 0x02, 0x00, 0x01]])),
    ...section(3, vector(all.map((_, index) => unsigned(index)))),
    ...section(7, vector(all.map(([name], index) => [...text(name), 0x00, ...unsigned(index)]))),
    ...section(10, vector(bodies.map((body) => [...unsigned(body.length), ...body]))),
  ]);
};
