/**
 * Packets of the GDB remote serial protocol: `$data#checksum`, and the bytes that may stand between them. Source: the GDB
 * manual, appendix "GDB Remote Serial Protocol", "Overview" and "Packet Acknowledgment".
 *
 * The data of a packet is a text in which each character is a byte.
 */

/** What a debugger sends. A `damaged` packet has a wrong checksum or is too long. */
export type Incoming =
  | { readonly kind: "packet"; readonly data: string }
  | { readonly kind: "damaged" | "interrupt" | "acknowledged" | "resend" | "foreign" };

/** Most bytes of a packet's data, either way. */
export const PACKET_BYTES = 0x4000;

const INTERRUPT = 0x03;
const HASH = 0x23;
const DOLLAR = 0x24;
const PLUS = 0x2b;
const MINUS = 0x2d;
const ESCAPE = 0x7d;
/** What an escaped byte is combined with. */
const ESCAPE_BIT = 0x20;
/** Bytes that stand for something else in a packet: # $ * } */
const SPECIAL = /[#$*}]/g;

/** Takes a stream of bytes apart, in pieces of any size. */
export class PacketReader {
  private place: "outside" | "data" | "first digit" | "second digit" = "outside";
  private data: number[] = [];
  private tooLong = false;
  private sum = 0;
  private checksum = "";

  *push(bytes: Uint8Array): Generator<Incoming> {
    for (const byte of bytes) {
      const incoming = this.take(byte);
      if (incoming) yield incoming;
    }
  }

  private take(byte: number): Incoming | undefined {
    // It stands for itself nowhere in a packet: the one before was cut off.
    if (byte === DOLLAR) return this.begin();
    switch (this.place) {
      case "outside":
        if (byte === PLUS) return { kind: "acknowledged" };
        if (byte === MINUS) return { kind: "resend" };
        return { kind: byte === INTERRUPT ? "interrupt" : "foreign" };
      case "data":
        if (byte === HASH) this.place = "first digit";
        else this.add(byte);
        return undefined;
      case "first digit":
        this.checksum = String.fromCharCode(byte);
        this.place = "second digit";
        return undefined;
      case "second digit":
        this.place = "outside";
        return this.finish(this.checksum + String.fromCharCode(byte));
    }
  }
  private begin(): undefined {
    this.place = "data";
    this.data = [];
    this.tooLong = false;
    this.sum = 0;
  }
  private add(byte: number): void {
    this.sum = (this.sum + byte) & 0xff;
    if (this.data.length < PACKET_BYTES) this.data.push(byte);
    else this.tooLong = true;
  }
  private finish(checksum: string): Incoming {
    const sound = /^[0-9a-f]{2}$/i.test(checksum) && parseInt(checksum, 16) === this.sum && !this.tooLong;
    return sound ? { kind: "packet", data: unescape(this.data) } : { kind: "damaged" };
  }
}

function unescape(bytes: readonly number[]): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) {
    const escaped = bytes[i] === ESCAPE && i + 1 < bytes.length;
    text += String.fromCharCode(escaped ? bytes[++i]! ^ ESCAPE_BIT : bytes[i]!);
  }
  return text;
}

/** The bytes of a packet. */
export function encodePacket(data: string): Uint8Array {
  const escaped = data.replace(SPECIAL, (char) => `}${String.fromCharCode(char.charCodeAt(0) ^ ESCAPE_BIT)}`);
  const bytes = Uint8Array.from(`$${escaped}#00`, (char) => char.charCodeAt(0));
  const sum = bytes.subarray(1, -3).reduce((sum, byte) => (sum + byte) & 0xff, 0);
  bytes.set(asciiBytes(sum.toString(16).padStart(2, "0")), bytes.length - 2);
  return bytes;
}

/** The bytes of a text whose characters are bytes. */
export const asciiBytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
