/** The server's half of the PostgreSQL protocol, as far as a relay must understand it. */

const ERROR = 0x45;
const READY = 0x5a;

export interface Replies {
  /** Answers the whole reply once the server gives the turn back. */
  push(bytes: Buffer): Buffer | undefined;
  /** Bytes received so far, over all replies. */
  readonly received: number;
  /** The last ErrorResponse, as `pg` would raise it: message and SQLSTATE. */
  readonly error: Error | undefined;
}

export const replies = (): Replies => {
  let parts: Buffer[] = [];
  let received = 0;
  let error: Error | undefined;
  /** The start of a message that is not whole yet. */
  let unread: Buffer = Buffer.alloc(0);

  const walk = (): boolean => {
    let at = 0;
    let ready = false;
    while (at + 5 <= unread.length) {
      const end = at + 1 + unread.readUInt32BE(at + 1);
      if (end > unread.length) break;
      const type = unread[at];
      if (type === ERROR) error = serverError(unread.subarray(at + 5, end));
      ready = type === READY;
      at = end;
    }
    unread = unread.subarray(at);
    return ready && unread.length === 0;
  };
  return {
    push(bytes) {
      received += bytes.length;
      parts.push(bytes);
      unread = unread.length === 0 ? bytes : Buffer.concat([unread, bytes]);
      if (!walk()) return undefined;
      const whole = Buffer.concat(parts);
      parts = [];
      return whole;
    },
    get received() {
      return received;
    },
    get error() {
      return error;
    },
  };
};

/** An ErrorResponse as `pg` would raise it: message and SQLSTATE. */
export const serverError = (body: Buffer): Error => {
  const fields = new Map(
    body
      .toString('utf8')
      .split('\0')
      .filter((field) => field !== '')
      .map((field) => [field.slice(0, 1), field.slice(1)]),
  );
  return Object.assign(new Error(fields.get('M') ?? 'the server answered with an error'), { code: fields.get('C') });
};
