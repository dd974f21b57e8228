// What a bundle of the evidence log proves, found out here and now: the browser's own SHA-256 and Ed25519, and the rules
// of RFC 6962 (proofs), C2SP signed-note and tlog-checkpoint. `docs/security/evidence.md` tells the forms. The server is
// asked for one thing alone: that today's tree begins with this one. What a browser cannot check (SM2, the words of
// events) is named, never counted as proven.

import { need, same, Wrong } from './bytes';
import { FILE_MAX, readBundle, type Bundle, type Leaf } from './bundle';
import { readNote, readVerifier, signers, type Note, type VerifierKey } from './note';
import { agrees, readRecord, type Shown } from './record';
import { extended, included, sha256, sm3Hash } from './tree';

export { FILE_MAX } from './bundle';

/** What is looked at, in this order. */
export const STEPS = [
  'form',
  'note',
  'signature',
  'sm2',
  'witnesses',
  'records',
  'inclusion',
  'sm3',
  'earlier',
  'today',
] as const;
export type StepName = (typeof STEPS)[number];
/** good = it holds; bad = it does not; open = this browser cannot tell; none = there is nothing to check. */
export type Mark = 'good' | 'bad' | 'open' | 'none';
export interface Step {
  name: StepName;
  mark: Mark;
  /** The place or the count, as it is written in the file. */
  detail: string;
}

export interface ShownLeaf {
  index: number;
  record: Shown;
}

export interface Verdict {
  /** proven; partly = nothing is wrong, but no signature could be checked here; not. */
  verdict: 'proven' | 'partly' | 'not';
  steps: Step[];
  origin: string;
  size: number;
  leaves: ShownLeaf[];
}

/** Whom to believe: any of these keys of the log, or, where the person brought keys, every one of them. */
export interface Trust {
  keys: string[];
  all: boolean;
}

/** The later bundle that proves that today's tree begins with a tree of `size`, from the server; undefined = not asked. */
export type AskToday = (origin: string, size: number) => Promise<string | undefined>;

/** The steps so far. What throws `Wrong` within one does not hold, and the others are looked at all the same. */
class Check {
  readonly steps: Step[] = [];
  note(name: StepName, mark: Mark, detail: string | number = ''): void {
    this.steps.push({ name, mark, detail: String(detail) });
  }
  /** Runs a step; false where it does not hold. */
  async run(name: StepName, what: () => Promise<[Mark, string | number]> | [Mark, string | number]): Promise<boolean> {
    try {
      this.note(name, ...(await what()));
    } catch (error) {
      if (!(error instanceof Wrong) && !(error instanceof TypeError)) throw error;
      this.note(name, 'bad', error instanceof Wrong ? error.message : '');
    }
    return this.steps.at(-1)?.mark !== 'bad';
  }
  get bad(): boolean {
    return this.steps.some((step) => step.mark === 'bad');
  }
}

async function checkSignatures(check: Check, note: Note, trust: Trust): Promise<void> {
  const keys: VerifierKey[] = [];
  let signed: Awaited<ReturnType<typeof signers>> | undefined;
  await check.run('signature', async () => {
    for (const text of trust.keys) {
      const key = await readVerifier(text);
      need(key !== undefined, text.slice(0, 40));
      keys.push(key);
    }
    signed = await signers(note, keys);
    const { good, open } = signed.ed25519;
    if (trust.all)
      for (const key of keys) {
        const found = signed[key.algorithm];
        need(found.good.includes(key.name) || found.open.includes(key.name), key.name);
      }
    if (good.length > 0) return ['good', good.join(', ')];
    const others = [signed.sm2, signed['cosignature-v1']].flatMap((of) => [...of.good, ...of.open]);
    need(open.length + others.length > 0, note.origin);
    return open.length > 0 ? ['open', open.join(', ')] : ['none', ''];
  });
  if (!signed) return;
  const { sm2, 'cosignature-v1': witnesses } = signed;
  check.note('sm2', sm2.open.length > 0 ? 'open' : 'none', sm2.open.join(', '));
  const mark = witnesses.good.length > 0 ? 'good' : witnesses.open.length > 0 ? 'open' : 'none';
  check.note('witnesses', mark, [...witnesses.good, ...witnesses.open].join(', '));
}

async function checkLeaves(check: Check, leaves: Leaf[], note: Note): Promise<ShownLeaf[]> {
  const shown: ShownLeaf[] = [];
  const each = async (name: StepName, what: (leaf: Leaf) => Promise<boolean>): Promise<boolean> =>
    check.run(name, async () => {
      for (const leaf of leaves) need(await what(leaf), `leaf ${leaf.index}`);
      return [leaves.length > 0 ? 'good' : 'none', leaves.length];
    });
  await each('records', async (leaf) => {
    if (!leaf.opening) {
      shown.push({ index: leaf.index, record: { kind: 'gone' } });
      return leaf.shown === undefined || leaf.shown === null;
    }
    const { salt, record } = leaf.opening;
    if (!same(await sha256(salt, record), leaf.commitment)) return false;
    const read = readRecord(record);
    shown.push({ index: leaf.index, record: read });
    return agrees(leaf.shown, read);
  });
  await each('inclusion', (leaf) =>
    included(sha256, [leaf.commitment, leaf.index], [note.size, note.root], leaf.proof),
  );
  await each('sm3', (leaf) =>
    included(sm3Hash, [leaf.commitment, leaf.index], [note.size, note.sm3Root], leaf.sm3Proof),
  );
  return shown;
}

async function checkEarlier(check: Check, bundle: Bundle, note: Note, trust: Trust): Promise<void> {
  const { earlier } = bundle;
  if (!earlier) return check.note('earlier', 'none');
  await check.run('earlier', async () => {
    const old = readNote(earlier.checkpoint, '/earlier/checkpoint');
    need(old.origin === note.origin, old.origin);
    const keys = (await Promise.all(trust.keys.map(readVerifier))).filter((key) => key !== undefined);
    // Keys may have changed since: one known signature is enough there.
    const signed = Object.values(await signers(old, keys));
    need(
      signed.some((one) => one.good.length + one.open.length > 0),
      '/earlier/checkpoint',
    );
    need(await extended([old.size, old.root], [note.size, note.root], earlier.consistency), '/earlier/consistency');
    return [signed.some((one) => one.good.length > 0) ? 'good' : 'open', old.size];
  });
}

/** Whether today's tree still begins with this one; that is the only step for which the server is asked. */
async function checkToday(check: Check, note: Note, trust: Trust, ask: AskToday): Promise<void> {
  const text = await ask(note.origin, note.size).catch(() => undefined);
  if (text === undefined) return check.note('today', 'none');
  await check.run('today', async () => {
    const bundle = readBundle(text);
    const now = readNote(bundle.checkpoint, '/checkpoint');
    need(now.origin === note.origin && bundle.since?.size === note.size, now.origin);
    const keys = (await Promise.all(trust.keys.map(readVerifier))).filter((key) => key !== undefined);
    const signed = Object.values(await signers(now, keys));
    need(
      signed.some((one) => one.good.length + one.open.length > 0),
      now.origin,
    );
    need(
      await extended([note.size, note.root], [now.size, now.root], bundle.since.proof),
      `${note.size} → ${now.size}`,
    );
    return [signed.some((one) => one.good.length > 0) ? 'good' : 'open', now.size];
  });
}

/** Checks the text of a bundle. Everything that is wrong ends in a verdict; nothing is thrown for it. */
export async function verify(text: string, trust: Trust, today: AskToday): Promise<Verdict> {
  const check = new Check();
  let bundle: Bundle | undefined;
  let note: Note | undefined;
  let leaves: ShownLeaf[] = [];
  await check.run('form', () => {
    need(text.length <= FILE_MAX, `> ${FILE_MAX >> 20} MB`);
    bundle = readBundle(text);
    return ['good', bundle.leaves.length];
  });
  if (bundle) {
    const { checkpoint, origin, size } = bundle;
    await check.run('note', () => {
      const read = readNote(checkpoint, '/checkpoint');
      need(read.origin === origin && read.size === size, '/checkpoint');
      note = read;
      return ['good', read.size];
    });
  }
  if (bundle && note) {
    await checkSignatures(check, note, trust);
    leaves = await checkLeaves(check, bundle.leaves, note);
    await checkEarlier(check, bundle, note, trust);
    if (!check.bad) await checkToday(check, note, trust, today);
  }
  // A witness vouches that it saw the tree; that is enough where the person trusts it by name.
  const signed = check.steps.some(
    (step) => (step.name === 'signature' || (trust.all && step.name === 'witnesses')) && step.mark === 'good',
  );
  const verdict = check.bad || !note ? 'not' : signed ? 'proven' : 'partly';
  return {
    verdict,
    steps: check.steps,
    origin: note?.origin ?? '',
    size: note?.size ?? 0,
    leaves: check.bad ? [] : leaves,
  };
}
