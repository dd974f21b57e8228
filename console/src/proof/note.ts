// Signed notes (C2SP signed-note) with checkpoints in them (C2SP tlog-checkpoint), and the keys that sign them.

import { count, fromBase64, hexOf, joined, need, same, utf8, type Bytes } from './bytes';
import { sha256 } from './tree';

const SIGNATURES_MAX = 64;

export interface Note {
  text: string;
  origin: string;
  size: number;
  root: Bytes;
  sm3Root: Bytes;
  signatures: { name: string; id: string; signature: Bytes }[];
}

export function readNote(note: string, where: string): Note {
  need(note.length <= 128 << 10 && !/[\u0000-\u0009\u000b-\u001f]/.test(note), where);
  const divider = note.lastIndexOf('\n\n');
  need(divider > 0 && note.endsWith('\n'), where);
  const text = note.slice(0, divider + 1);
  const lines = note.slice(divider + 2, -1).split('\n');
  need(lines.length <= SIGNATURES_MAX, where);
  const signatures = lines.map((line) => {
    const parts = /^— ([^\s+]+) ([A-Za-z0-9+/=]+)$/.exec(line);
    need(parts !== null, where);
    const bytes = fromBase64(parts[2] ?? '', where);
    need(bytes.length > 4, where);
    return { name: parts[1] ?? '', id: hexOf(bytes.slice(0, 4)), signature: bytes.slice(4) };
  });
  const [origin = '', told = '', root = '', ...extensions] = text.slice(0, -1).split('\n');
  need(origin !== '' && /^(0|[1-9][0-9]{0,15})$/.test(told) && extensions.every((line) => line !== ''), where);
  const sm3Line = extensions.find((line) => line.startsWith('sm3 '));
  need(sm3Line !== undefined, where);
  const roots = [root, sm3Line.slice(4)].map((one) => fromBase64(one, where));
  need(
    roots.every((one) => one.length === 32),
    where,
  );
  const size = count(Number(told), where);
  return { text, origin, size, root: roots[0] ?? new Uint8Array(), sm3Root: roots[1] ?? new Uint8Array(), signatures };
}

export interface VerifierKey {
  name: string;
  id: string;
  algorithm: 'ed25519' | 'sm2' | 'cosignature-v1';
  public: Bytes;
}
const SM2_TYPE = joined(Uint8Array.of(0xff), utf8('heng/sm2-sm3/v1'));

/** Reads `name+id+key`; undefined where it is none, or its id is another's. */
export async function readVerifier(text: string): Promise<VerifierKey | undefined> {
  const parts = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{1,400})$/.exec(text);
  if (!parts) return undefined;
  const [, name = '', id = '', encoded = ''] = parts;
  let key: Bytes;
  try {
    key = fromBase64(encoded, 'key');
  } catch {
    return undefined;
  }
  const hash = await sha256(utf8(`${name}\n`), key);
  if (hexOf(hash.slice(0, 4)) !== id) return undefined;
  if (key[0] === 1 && key.length === 33) return { name, id, algorithm: 'ed25519', public: key.slice(1) };
  if (key[0] === 4 && key.length === 33) return { name, id, algorithm: 'cosignature-v1', public: key.slice(1) };
  if (same(key.slice(0, SM2_TYPE.length), SM2_TYPE) && key.length === SM2_TYPE.length + 65)
    return { name, id, algorithm: 'sm2', public: key.slice(SM2_TYPE.length) };
  return undefined;
}

/** Whether `key` signed; undefined where this browser has no Ed25519. */
async function ed25519(key: Bytes, message: Bytes, signature: Bytes): Promise<boolean | undefined> {
  let imported: CryptoKey;
  try {
    imported = await crypto.subtle.importKey('raw', key, { name: 'Ed25519' }, false, ['verify']);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotSupportedError') return undefined;
    return false;
  }
  return crypto.subtle.verify({ name: 'Ed25519' }, imported, signature, message);
}

async function fits(key: VerifierKey, note: Note, signature: Bytes): Promise<boolean | undefined> {
  if (key.algorithm === 'sm2') return undefined;
  if (key.algorithm === 'ed25519') return ed25519(key.public, utf8(note.text), signature);
  if (signature.length !== 72) return false;
  // A witness signs the time of its look and the text (C2SP tlog-cosignature).
  const time = new DataView(signature.buffer, signature.byteOffset).getBigUint64(0);
  return ed25519(key.public, utf8(`cosignature/v1\ntime ${time}\n${note.text}`), signature.slice(8));
}

/** Names of those who signed by one algorithm, and of those of whom this browser cannot tell. */
export interface Signed {
  good: string[];
  open: string[];
}
/** Which of these keys have signed. A signature of one of them that does not fit is an error. */
export async function signers(note: Note, keys: VerifierKey[]): Promise<Record<VerifierKey['algorithm'], Signed>> {
  const signed = { ed25519: empty(), sm2: empty(), 'cosignature-v1': empty() };
  for (const line of note.signatures)
    for (const key of keys.filter((one) => one.name === line.name && one.id === line.id)) {
      const holds = await fits(key, note, line.signature);
      need(holds !== false, key.name);
      signed[key.algorithm][holds === true ? 'good' : 'open'].push(key.name);
    }
  return signed;
}
const empty = (): Signed => ({ good: [], open: [] });
