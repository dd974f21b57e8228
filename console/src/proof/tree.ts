// Merkle trees of RFC 6962 over two hash functions, by the algorithms of RFC 9162.

import { joined, same, type Bytes } from './bytes';
import { sm3 } from './sm3';

export type Hash = (...parts: Uint8Array[]) => Promise<Bytes>;
export const sha256: Hash = async (...parts) => new Uint8Array(await crypto.subtle.digest('SHA-256', joined(...parts)));
export const sm3Hash: Hash = (...parts) => Promise.resolve(sm3(joined(...parts)));
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** Whether the path leads from the entry at `index` to the root of a tree of `size` (RFC 9162, section 2.1.3.2). */
export async function included(
  hash: Hash,
  [entry, index]: [Bytes, number],
  [size, root]: [number, Bytes],
  proof: Bytes[],
): Promise<boolean> {
  if (index >= size) return false;
  let [at, last] = [BigInt(index), BigInt(size - 1)];
  let node = await hash(LEAF, entry);
  for (const sibling of proof) {
    if (last === 0n) return false;
    if (at & 1n || at === last) {
      node = await hash(NODE, sibling, node);
      while (!(at & 1n) && at !== 0n) [at, last] = [at >> 1n, last >> 1n];
    } else node = await hash(NODE, node, sibling);
    [at, last] = [at >> 1n, last >> 1n];
  }
  return last === 0n && same(node, root);
}

/** Whether the newer tree begins with the older one (RFC 9162, section 2.1.4.2), over SHA-256. */
export async function extended(
  [old, oldRoot]: [number, Bytes],
  [now, root]: [number, Bytes],
  proof: Bytes[],
): Promise<boolean> {
  if (old === 0 || old > now) return false;
  if (old === now) return proof.length === 0 && same(oldRoot, root);
  const power = (BigInt(old) & BigInt(old - 1)) === 0n;
  const [first, ...rest] = power ? [oldRoot, ...proof] : proof;
  if (!first) return false;
  let [at, last] = [BigInt(old - 1), BigInt(now - 1)];
  while (at & 1n) [at, last] = [at >> 1n, last >> 1n];
  let [ofOld, ofNew] = [first, first];
  for (const sibling of rest) {
    if (last === 0n) return false;
    if (at & 1n || at === last) {
      [ofOld, ofNew] = [await sha256(NODE, sibling, ofOld), await sha256(NODE, sibling, ofNew)];
      while (!(at & 1n) && at !== 0n) [at, last] = [at >> 1n, last >> 1n];
    } else ofNew = await sha256(NODE, ofNew, sibling);
    [at, last] = [at >> 1n, last >> 1n];
  }
  return last === 0n && same(ofOld, oldRoot) && same(ofNew, root);
}
