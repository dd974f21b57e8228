// Bytes out of texts, and JSON read strictly: each thing has one form, and whatever is not of it is wrong at a named place.

export type Bytes = Uint8Array<ArrayBuffer>;

/** Something is wrong; the text says where. */
export class Wrong extends Error {}
export function need(holds: boolean, where: string): asserts holds {
  if (!holds) throw new Wrong(where);
}

export function fromHex(value: unknown, where: string, length?: number): Bytes {
  need(typeof value === 'string' && /^([0-9a-f]{2})*$/.test(value), where);
  const bytes = new Uint8Array(value.length / 2);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = Number.parseInt(value.slice(2 * i, 2 * i + 2), 16);
  need(length === undefined || bytes.length === length, where);
  return bytes;
}
export function fromBase64(text: string, where: string): Bytes {
  let plain: string;
  try {
    plain = atob(text);
  } catch {
    throw new Wrong(where);
  }
  // Only one form counts: another one could hide a change.
  need(btoa(plain) === text, where);
  return Uint8Array.from(plain, (c) => c.charCodeAt(0));
}
export const utf8 = (text: string): Bytes => new TextEncoder().encode(text);
export const joined = (...parts: Uint8Array[]): Bytes => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
};
export const same = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);
export const hexOf = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

export type Plain = Record<string, unknown>;
export function object(value: unknown, fields: readonly string[], where: string): Plain {
  need(value !== null && typeof value === 'object' && !Array.isArray(value), where);
  for (const name of Object.keys(value)) need(fields.includes(name), `${where}/${name}`);
  return value as Plain;
}
export function array(value: unknown, max: number, where: string): unknown[] {
  need(Array.isArray(value) && value.length <= max, where);
  return value;
}
export function count(value: unknown, where: string): number {
  need(typeof value === 'number' && Number.isSafeInteger(value) && value >= 0, where);
  return value;
}
export function words(value: unknown, where: string): string {
  need(typeof value === 'string', where);
  return value;
}
export /** Hashes of a proof that are read at most. */
const PROOF_MAX = 64;
export const path = (value: unknown, where: string): Bytes[] =>
  array(value, PROOF_MAX, where).map((one, i) => fromHex(one, `${where}/${i}`, 32));
