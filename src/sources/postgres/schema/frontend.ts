/** The client's half of the PostgreSQL protocol, as far as pg_dump uses it. */

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
/** After these the server has the turn: Query, Sync. */
const ASKS = new Set([0x51, 0x53]);
/** Terminate. */
const ENDS = 0x58;

export interface FrontendMessages {
  /** Takes what the client writes, which may end within a message. `wait`: nothing to do until it writes more. */
  push(bytes: Uint8Array): { readonly kind: 'refuse-encryption' | 'startup' | 'exchange' | 'wait'; readonly bytes: Uint8Array };
}

export const frontendMessages = (): FrontendMessages => {
  let pending = Buffer.alloc(0);
  let started = false;
  const nothing = new Uint8Array();
  return {
    push(bytes) {
      // The bytes lie in memory of the module, which changes.
      pending = Buffer.concat([pending, bytes]);
      if (!started) {
        if (pending.length < 8 || pending.length < pending.readUInt32BE(0)) return { kind: 'wait', bytes: nothing };
        const code = pending.readUInt32BE(4);
        pending = pending.subarray(pending.readUInt32BE(0));
        if (code === SSL_REQUEST || code === GSS_REQUEST) return { kind: 'refuse-encryption', bytes: nothing };
        started = true;
        return { kind: 'startup', bytes: nothing };
      }
      const last = lastMessage(pending);
      if (last === undefined || !ASKS.has(last)) {
        if (last === ENDS) pending = Buffer.alloc(0);
        return { kind: 'wait', bytes: nothing };
      }
      const whole = pending;
      pending = Buffer.alloc(0);
      return { kind: 'exchange', bytes: whole };
    },
  };
};

/** The type of the last message, if the bytes end with a whole one. */
const lastMessage = (bytes: Buffer): number | undefined => {
  let at = 0;
  let last: number | undefined;
  while (at + 5 <= bytes.length) {
    last = bytes[at];
    at += 1 + bytes.readUInt32BE(at + 1);
  }
  return at === bytes.length ? last : undefined;
};

/** AuthenticationOk, ParameterStatus of each, BackendKeyData and ReadyForQuery: a login that the main thread has done already. */
export const startupReply = (parameters: readonly (readonly [string, string])[]): Buffer =>
  Buffer.concat([
    message('R', Buffer.alloc(4)),
    ...parameters.map(([name, value]) => message('S', Buffer.from(`${name}\0${value}\0`))),
    message('K', Buffer.alloc(8)),
    message('Z', Buffer.from('I')),
  ]);

const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
