/** As much of the protocol as a result of a query in text needs: packets, values, and how the result ends. */
import type { RawRow } from './connect.ts';

/** Length (three bytes, lowest first) and number of a packet. */
export const HEADER_BYTES = 4;

/** A packet of this length goes on in the next one. */
export const PACKET_MAX = 0xffffff;

const NULL = 0xfb;
const [END, ERROR] = [0xfe, 0xff];
const COM_QUERY = 0x03;
const END_MAX_BYTES = 9;

/** Whether a packet among rows is none: the end of them, or an error. */
export const isEnd = (first: number, length: number): boolean => first === ERROR || (first === END && length < END_MAX_BYTES);

export const queryPacket = (sql: string): Buffer => {
  const text = Buffer.from(sql);
  const packet = Buffer.allocUnsafe(HEADER_BYTES + 1 + text.length);
  packet.writeUInt32LE(1 + text.length, 0);
  packet[HEADER_BYTES] = COM_QUERY;
  text.copy(packet, HEADER_BYTES + 1);
  return packet;
};

/** The server's error in a packet without its header, as the driver would raise it; undefined when it is none. */
export const errorIn = (packet: Buffer): Error | undefined => {
  if (packet[0] !== ERROR) return undefined;
  const stateful = packet[3] === '#'.charCodeAt(0);
  return Object.assign(new Error(packet.toString('utf8', stateful ? 9 : 3)), { errno: packet.readUInt16LE(1) });
};

/** The values of one row; the bytes are those of the packet. */
export const valuesOf = (packet: Buffer, count: number): RawRow => {
  const values: (Buffer | null)[] = [];
  let at = 0;
  while (values.length < count) {
    const first = packet.readUInt8(at++);
    if (first === NULL) {
      values.push(null);
      continue;
    }
    const bytes = first < NULL ? 0 : first === 0xfc ? 2 : first === 0xfd ? 3 : 8;
    const length = bytes === 0 ? first : bytes === 8 ? Number(packet.readBigUInt64LE(at)) : packet.readUIntLE(at, bytes);
    at += bytes;
    if (at + length > packet.length) throw new RangeError('a value goes on past the end of its row');
    values.push(packet.subarray(at, at + length));
    at += length;
  }
  return values;
};
