// Users and partners, with what they have.

import { useMemo, type ReactNode } from 'react';

import { lastUses, partners, users, type Person } from '../../access';
import { moment } from '../../format';
import { useLoad, usePages } from '../../hooks';
import { Accounts, Chips, More, useCan, Waiting } from '../../parts/oversight';
import { Dot, Panel, Problem, Table } from '../../parts/ui';
import { usePrefs } from '../../prefs';
import { go, useParam } from '../../router';

/** Whom people look over stands first; of clients there are many. */
const KINDS: readonly string[] = ['staff', 'partner', 'client'];
/** Everybody's state, in one word. */
export const stateOf = (who: Person): 'active' | 'shut' => (who.disabled ? 'shut' : 'active');

export function People(): ReactNode {
  const { t, name } = usePrefs();
  const can = useCan();
  const [find, setFind] = useParam('find');
  const [kind, setKind] = useParam('kind');
  const [state, setState] = useParam('state');
  const list = usePages(users, 'users');
  const seesPartners = can('partner.read');
  const others = useLoad(
    (signal) => (seesPartners ? partners(signal) : Promise.resolve([])),
    `partners|${seesPartners}`,
  );

  const all = useMemo(() => [...(list.rows ?? []), ...(others.data ?? [])], [list.rows, others.data]);
  const rows = useMemo(() => {
    const wanted = find.toLowerCase();
    return all
      .filter((p) => (kind === '' || p.kind === kind) && (state === '' || stateOf(p) === state))
      .filter((p) => wanted === '' || p.name.toLowerCase().includes(wanted) || p.id === wanted)
      .sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || Number(a.id) - Number(b.id));
  }, [all, find, kind, state]);
  const unknown = rows.filter((p) => p.used === undefined && p.kind !== 'client').map((p) => p.id);
  const key = unknown.join();
  const used = useLoad(
    (signal) => (key ? lastUses(key.split(','), signal) : Promise.resolve(new Map<string, string>())),
    `used|${key}`,
  );

  return (
    <Panel title={t('acc.people')} className="people roomy">
      <form className="filters" role="search" onSubmit={(e) => e.preventDefault()}>
        <label>
          {t('sec.name')}
          <input
            data-search
            type="search"
            name="find"
            maxLength={64}
            value={find}
            onChange={(e) => setFind(e.target.value)}
          />
        </label>
        <label>
          {t('acc.kind')}
          <select name="kind" value={kind} onChange={(e) => setKind(e.target.value)}>
            <option value="">{t('common.all')}</option>
            {KINDS.map((one) => (
              <option key={one} value={one}>
                {name('person', one)}
              </option>
            ))}
          </select>
        </label>
        <label>
          {t('sec.state')}
          <select name="state" value={state} onChange={(e) => setState(e.target.value)}>
            <option value="">{t('common.all')}</option>
            <option value="active">{t('acc.active')}</option>
            <option value="shut">{t('acc.shut')}</option>
          </select>
        </label>
        <span className="dim" role="status">
          {rows.length}
          {list.more ? ` · ${t('acc.partOnly')}` : ''}
        </span>
      </form>
      <Problem error={list.error ?? others.error} onRetry={list.reload} />
      <Table
        label={t('acc.people')}
        rows={rows}
        id={(p) => `${p.kind}-${p.id}`}
        onOpen={(p) => go(`/access/${p.kind === 'partner' ? 'partner' : 'user'}/${p.id}`)}
        empty={<Waiting of={list} />}
        columns={[
          { key: 'n', head: t('sec.name'), width: 14, cell: (p) => <span title={`#${p.id}`}>{p.name}</span> },
          { key: 'k', head: t('acc.kind'), width: 5.5, cell: (p) => name('person', p.kind) },
          { key: 'r', head: t('sec.roles'), cell: (p) => <Chips group="duty" names={p.roles} /> },
          { key: 'a', head: t('acc.accounts'), width: 7, spare: true, cell: (p) => <Accounts of={p.accounts} /> },
          {
            key: 'f',
            head: t('acc.code'),
            width: 6,
            spare: true,
            cell: (p) => (p.totp === undefined ? '–' : t(p.totp ? 'common.yes' : 'common.no')),
          },
          {
            key: 's',
            head: t('sec.state'),
            width: 6,
            cell: (p) => <Dot tone={p.disabled ? 'bad' : 'good'}>{t(`acc.${stateOf(p)}`)}</Dot>,
          },
          {
            key: 'u',
            head: t('sec.used'),
            width: 10,
            cell: (p) => moment(p.used ?? used.data?.get(p.id)),
          },
        ]}
      />
      <More list={list} />
    </Panel>
  );
}
