// Numbers that stand for names in what the checks of an order looked at.

import { ORDER_TYPES } from './api';

/** Names by number, from one on; the core's numbers never change. */
const NAMES: Record<string, { group: string; names: readonly string[] }> = {
  status: { group: 'account', names: ['normal', 'buy-barred', 'frozen', 'closed'] },
  kind: { group: 'kind', names: ['cash', 'credit', 'option'] },
  order_type: { group: 'type', names: ORDER_TYPES },
  phase: {
    group: 'phase',
    names: [
      'closed',
      'open-auction',
      'open-auction-no-cancel',
      'pre-continuous',
      'continuous',
      'break',
      'close-auction',
      'post-close',
      'after-hours',
      'ended',
      'random-close',
      'close-auction-no-cancel',
    ],
  },
};
const ANSWERS = ['suspended', 'all_stopped', 'account_stopped', 'instrument_stopped'];

/** What a number means: yes or no, or names of a group; undefined where it is a number. A name stays as it is. */
export function codedNames(key: string, value: string): boolean | { group: string; names: string[] } | undefined {
  if (ANSWERS.includes(key) && /^[01]$/.test(value)) return value === '1';
  // One bit for each type that is allowed.
  if (key === 'order_types' && /^\d{1,6}$/.test(value)) {
    return { group: 'type', names: ORDER_TYPES.filter((_, i) => (Number(value) >> (i + 1)) & 1) };
  }
  const known = NAMES[key];
  if (!known) return undefined;
  const name = known.names[Number(value) - 1] ?? known.names.find((one) => one === value);
  return name === undefined ? undefined : { group: known.group, names: [name] };
}
