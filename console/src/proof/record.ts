// The canonical record, version 1, as far as it is read here: whose it is, when, and of actions everything.

import { joined, need, same, utf8, type Bytes, type Plain } from './bytes';

/** What the bytes of a record say of themselves. */
export type Shown =
  | { kind: 'command'; number: bigint; time: bigint; account: bigint; events: bigint }
  | {
      kind: 'action';
      number: bigint;
      time: bigint;
      principal: bigint;
      credential: string;
      action: string;
      resource: string;
      outcome: string;
      times: bigint;
    }
  /** The salt and the record were lawfully destroyed. */
  | { kind: 'gone' };

/** The integers and texts of the record, version 1: below 248 one byte, else 247 + n and n bytes, least first. */
function reader(bytes: Bytes): {
  raw: (n: number) => Bytes;
  integer: () => bigint;
  signed: () => bigint;
  text: () => string;
} {
  let at = 0;
  const raw = (n: number): Bytes => {
    need(at + n <= bytes.length, 'record');
    return bytes.slice(at, (at += n));
  };
  const integer = (): bigint => {
    const head = raw(1)[0] ?? 0;
    if (head < 248) return BigInt(head);
    return raw(head - 247).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  };
  const signed = (): bigint => {
    const coded = integer();
    return (coded >> 1n) ^ -(coded & 1n);
  };
  const text = (): string => {
    const length = integer();
    need(length <= BigInt(bytes.length), 'record');
    return new TextDecoder('utf-8', { fatal: true }).decode(raw(Number(length)));
  };
  return { raw, integer, signed, text };
}

export function readRecord(bytes: Bytes): Shown {
  const from = reader(bytes);
  need(same(from.raw(12), joined(utf8('heng-record'), Uint8Array.of(1))), 'record');
  const [kind] = from.raw(1);
  need(kind === 1 || kind === 2, 'record');
  const [number, time] = [from.integer(), from.signed()];
  if (kind === 1) return { kind: 'command', number, time, account: from.integer(), events: from.integer() };
  const principal = from.integer();
  const [credential, action, resource, outcome] = [from.text(), from.text(), from.text(), from.text()];
  return { kind: 'action', number, time, principal, credential, action, resource, outcome, times: from.integer() };
}

/** Whether the words beside a record are those of its bytes, as far as they are read here. */
export function agrees(shown: unknown, record: Shown): boolean {
  if (shown === undefined || shown === null) return true;
  if (typeof shown !== 'object' || record.kind === 'gone') return false;
  const told = shown as Plain;
  // Times are larger than what JSON numbers hold here; both are rounded in the same way.
  const number = (name: string, value: bigint): boolean => told[name] === Number(value);
  const common = told['kind'] === record.kind && number('time', record.time);
  if (record.kind === 'command') {
    const events = told['events'];
    const counted = Array.isArray(events) && BigInt(events.length) === record.events;
    return common && number('sequence', record.number) && told['account'] === String(record.account) && counted;
  }
  const texts = (['credential', 'action', 'resource', 'outcome'] as const).every((name) => told[name] === record[name]);
  return (
    common &&
    texts &&
    number('number', record.number) &&
    number('principal', record.principal) &&
    number('times', record.times)
  );
}
