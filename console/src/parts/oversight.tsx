// What the pages for oversight share: names behind numbers, lists that go on, tabs, files that are saved.

import type { ReactNode } from 'react';

import { user } from '../access';
import { clock, NONE } from '../format';
import { useLoad, type Pages } from '../hooks';
import { usePrefs } from '../prefs';
import { Link } from '../router';
import { useSession } from '../session';
import type { Word } from '../words';
import '../oversight.css';

/** Whether the policy lets the person do this at all. */
export function useCan(): (action: string) => boolean {
  const { me } = useSession();
  return (action) => me.actions?.includes(action) ?? false;
}

/** Names behind the numbers of users, as far as the person may read them; the number until then. */
export function useNames(ids: (string | undefined)[]): (id: string | undefined) => string {
  const { me } = useSession();
  const can = useCan();
  const wanted = [...new Set(ids)]
    .filter((id) => id !== undefined && id !== '' && id !== '0' && id !== me.id)
    .slice(0, 60);
  const key = can('user.read') ? wanted.join() : '';
  const found = useLoad(async (signal) => {
    const names = new Map<string, string>();
    for (const id of key === '' ? [] : key.split(',')) {
      // Somebody who is a partner, or whom nobody knows any more, stays a number.
      const one = await user(id, signal).catch(() => undefined);
      if (one) names.set(id, one.name);
    }
    return names;
  }, `names|${key}`);
  return (id) => {
    if (id === undefined || id === '') return NONE;
    if (id === me.id) return me.name;
    return found.data?.get(id) ?? `#${id}`;
  };
}

/** Day and clock of China, of milliseconds since 1970. */
export function at(millis: number | undefined): string {
  if (millis === undefined) return NONE;
  const shifted = new Date(millis + 8 * 3_600_000);
  return Number.isNaN(shifted.getTime()) ? NONE : `${shifted.toISOString().slice(0, 10)} ${clock(millis)}`;
}

/** The pages within a page. */
export function Tabs({
  label,
  tabs,
  here,
}: {
  label: string;
  tabs: readonly (readonly [string, Word])[];
  here: string;
}): ReactNode {
  const { t } = usePrefs();
  return (
    <nav className="tabs" aria-label={label}>
      {tabs.map(([to, word]) => (
        <Link key={to} to={to} aria-current={to === here ? 'page' : undefined}>
          {t(word)}
        </Link>
      ))}
    </nav>
  );
}

/** Goes on with a list that comes page by page. */
export function More({ list }: { list: Pages<unknown> }): ReactNode {
  const { t } = usePrefs();
  if (!list.more) return null;
  return (
    <div className="pager">
      <button type="button" disabled={list.busy} onClick={list.more} data-act="more">
        {t('common.more')}
      </button>
    </div>
  );
}

/** What stands in the place of rows: that they are still asked for, or that there are none. */
export function Waiting({
  of,
  then = 'common.none',
}: {
  of: { rows?: unknown; data?: unknown; error: unknown };
  then?: Word;
}): ReactNode {
  const { t } = usePrefs();
  return t(of.rows === undefined && of.data === undefined && of.error === undefined ? 'app.loading' : then);
}

/** Several names in the person's language. */
export function Chips({ group, names, empty }: { group: string; names: readonly string[]; empty?: Word }): ReactNode {
  const { t, name } = usePrefs();
  if (names.length === 0) return <span className="dim">{empty ? t(empty) : NONE}</span>;
  return (
    <span className="chips" title={names.join(' ')}>
      {names.map((one) => (
        <span key={one} className="chip">
          {name(group, one)}
        </span>
      ))}
    </span>
  );
}

/** Accounts: numbers, or all. */
export function Accounts({ of }: { of: readonly string[] }): ReactNode {
  const { t } = usePrefs();
  if (of.length === 1 && of[0] === '*') return t('common.all');
  const text = of.join(' ');
  return <span title={text}>{text || NONE}</span>;
}

/** Bytes in hexadecimal: the whole is in the title and is selected as one. */
export function Hash({ of }: { of: string | undefined }): ReactNode {
  return of ? (
    <code className="hash" title={of}>
      {of}
    </code>
  ) : (
    NONE
  );
}

/** Saves bytes under a name, as a link would. */
export function save(file: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // The browser reads it after this turn.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
