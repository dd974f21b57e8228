// SM3 (GB/T 32905-2016), for the second tree of the evidence log: browsers have no SM3 of their own.

const START = [0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e] as const;

const turn = (word: number, by: number): number => (word << by) | (word >>> (32 - by));
/** The permutations P0 and P1 of section 4.4. */
const p0 = (x: number): number => x ^ turn(x, 9) ^ turn(x, 17);
const p1 = (x: number): number => x ^ turn(x, 15) ^ turn(x, 23);

/** The message with one bit, zeros and its length in bits behind it, in blocks of 64 bytes. */
function padded(message: Uint8Array): DataView {
  const length = Math.ceil((message.length + 9) / 64) * 64;
  const bytes = new Uint8Array(length);
  bytes.set(message);
  bytes[message.length] = 0x80;
  const view = new DataView(bytes.buffer);
  view.setBigUint64(length - 8, BigInt(message.length) * 8n);
  return view;
}

/** The 132 words of one block (section 5.3.2): 68, then 64. */
function expanded(view: DataView, block: number, words: Int32Array): void {
  const at = (i: number): number => words[i] ?? 0;
  for (let i = 0; i < 16; i += 1) words[i] = view.getInt32(block + 4 * i);
  for (let i = 16; i < 68; i += 1)
    words[i] = p1(at(i - 16) ^ at(i - 9) ^ turn(at(i - 3), 15)) ^ turn(at(i - 13), 7) ^ at(i - 6);
  for (let i = 0; i < 64; i += 1) words[68 + i] = at(i) ^ at(i + 4);
}

/** The 64 rounds of section 5.3.3. */
function compressed(state: Int32Array, words: Int32Array): void {
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let i = 0; i < 64; i += 1) {
    const early = i < 16;
    const ss1 = turn((turn(a, 12) + e + turn(early ? 0x79cc4519 : 0x7a879d8a, i % 32)) | 0, 7);
    const ff = early ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
    const gg = early ? e ^ f ^ g : (e & f) | (~e & g);
    const tt1 = (ff + d + (ss1 ^ turn(a, 12)) + (words[68 + i] ?? 0)) | 0;
    const tt2 = (gg + h + ss1 + (words[i] ?? 0)) | 0;
    [d, c, b, a] = [c, turn(b, 9), a, tt1];
    [h, g, f, e] = [g, turn(f, 19), e, p0(tt2)];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] = (state[i] ?? 0) ^ word));
}

/** The hash of a message: 32 bytes. */
export function sm3(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const view = padded(message);
  const state = Int32Array.from(START);
  const words = new Int32Array(132);
  for (let block = 0; block < view.byteLength; block += 64) {
    expanded(view, block, words);
    compressed(state, words);
  }
  const hash = new Uint8Array(32);
  const out = new DataView(hash.buffer);
  state.forEach((word, i) => out.setInt32(4 * i, word));
  return hash;
}
