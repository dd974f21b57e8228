// The file of a bundle, as `heng evidence export` writes it.

import { array, count, fromHex, need, object, path, words, Wrong, type Bytes } from './bytes';

/** Bytes of a file, and leaves of it, that a browser looks at; the command line takes larger ones. */
export const FILE_MAX = 64 << 20;
export const LEAVES_MAX = 10_000;

export interface Leaf {
  index: number;
  commitment: Bytes;
  opening: { salt: Bytes; record: Bytes } | undefined;
  proof: Bytes[];
  sm3Proof: Bytes[];
  shown: unknown;
}
export interface Bundle {
  origin: string;
  size: number;
  checkpoint: string;
  earlier: { checkpoint: string; consistency: Bytes[] } | undefined;
  since: { size: number; proof: Bytes[] } | undefined;
  leaves: Leaf[];
}

function readLeaf(value: unknown, where: string): Leaf {
  const from = object(value, ['index', 'commitment', 'salt', 'record', 'proof', 'sm3_proof', 'shown'], where);
  const opened = [from['salt'], from['record']].map((part) => part !== undefined && part !== null);
  need(opened[0] === opened[1], `${where}/record`);
  return {
    index: count(from['index'], `${where}/index`),
    commitment: fromHex(from['commitment'], `${where}/commitment`, 32),
    opening: opened[0]
      ? { salt: fromHex(from['salt'], `${where}/salt`, 32), record: fromHex(from['record'], `${where}/record`) }
      : undefined,
    proof: path(from['proof'], `${where}/proof`),
    sm3Proof: path(from['sm3_proof'], `${where}/sm3_proof`),
    shown: from['shown'],
  };
}

export function readBundle(text: string): Bundle {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new Wrong('JSON');
  }
  const fields = ['format', 'origin', 'size', 'checkpoint', 'keys', 'earlier', 'consistency', 'leaves'];
  const from = object(parsed, fields, '');
  need(from['format'] === 'heng-evidence-bundle/v1', '/format');
  const earlier =
    from['earlier'] == null ? undefined : object(from['earlier'], ['checkpoint', 'consistency'], '/earlier');
  const since =
    from['consistency'] == null ? undefined : object(from['consistency'], ['size', 'proof'], '/consistency');
  return {
    origin: words(from['origin'], '/origin'),
    size: count(from['size'], '/size'),
    checkpoint: words(from['checkpoint'], '/checkpoint'),
    earlier: earlier && {
      checkpoint: words(earlier['checkpoint'], '/earlier/checkpoint'),
      consistency: path(earlier['consistency'], '/earlier/consistency'),
    },
    since: since && {
      size: count(since['size'], '/consistency/size'),
      proof: path(since['proof'], '/consistency/proof'),
    },
    leaves: array(from['leaves'], LEAVES_MAX, '/leaves').map((leaf, i) => readLeaf(leaf, `/leaves/${i}`)),
  };
}
