// Accounts with their cash and holdings; read only.

import { useEffect, useMemo, useState, type ReactNode } from 'react';

import {
  account as askAccount,
  accounts as askAccounts,
  market,
  num,
  type Account,
  type Cash,
  type Holding,
} from '../api';
import { grouped, moved, NONE, price, short, signed, tone } from '../format';
import { useLoad } from '../hooks';
import { Dot, Empty, Facts, Panel, Problem, Table } from '../parts/ui';
import { usePrefs } from '../prefs';
import { go, Link, usePath } from '../router';
import { useSession } from '../session';

const PAGE = 200;

export default function Clients(): ReactNode {
  const { t } = usePrefs();
  const { me, staff } = useSession();
  const inPath = usePath().split('/')[2];
  const listed = staff && me.accounts.length === 0;
  const id = inPath ? decodeURIComponent(inPath) : listed ? '' : (me.accounts[0] ?? '');
  return (
    <div className={`page clients ${listed || me.accounts.length > 1 ? '' : 'single'}`}>
      <h1 className="sr">{t(staff ? 'nav.clients' : 'nav.positions')}</h1>
      {listed ? <AccountList selected={id} /> : me.accounts.length > 1 && <OwnAccounts selected={id} />}
      {id ? (
        <OneAccount key={id} id={id} />
      ) : (
        <Panel label={t('client.holdings')} className="fill">
          <Empty>{t('client.choose')}</Empty>
        </Panel>
      )}
    </div>
  );
}

function AccountTable({ rows, selected, label }: { rows: Account[]; selected: string; label: string }): ReactNode {
  const { t, name } = usePrefs();
  return (
    <Table
      label={label}
      rows={rows}
      id={(a) => a.account}
      selected={selected}
      onOpen={(a) => go(`/clients/${a.account}`)}
      columns={[
        { key: 'a', head: t('client.account'), width: 5, cell: (a) => a.account },
        { key: 'k', head: t('client.kind'), width: 5.2, cell: (a) => name('kind', a.kind) },
        {
          key: 's',
          head: t('client.status'),
          width: 4.4,
          cell: (a) => (
            <span className={a.status && a.status !== 'normal' ? 'warn' : ''}>
              {name('account', a.status)}
              {a.stopped ? ' ⛔' : ''}
            </span>
          ),
        },
        ...(rows.some((a) => a.balance !== undefined)
          ? [
              {
                key: 'b',
                head: t('client.balance'),
                figure: true,
                width: 8.8,
                cell: (a: Account) => grouped(a.balance),
              },
              {
                key: 'o',
                head: t('client.openOrders'),
                figure: true,
                width: 5.2,
                cell: (a: Account) => grouped(String(a.open_orders ?? '')),
              },
            ]
          : []),
      ]}
    />
  );
}

function AccountList({ selected }: { selected: string }): ReactNode {
  const { t } = usePrefs();
  const [find, setFind] = useState('');
  const [pages, setPages] = useState<{ rows: Account[]; next: string | undefined; after: string | undefined }>({
    rows: [],
    next: undefined,
    after: undefined,
  });
  const found = useLoad(
    (signal) => askAccounts({ limit: PAGE, after: pages.after }, signal),
    `accounts|${pages.after ?? ''}`,
  );
  useEffect(() => {
    if (!found.data) return;
    const { rows, nextAfter } = found.data;
    setPages((old) => ({
      ...old,
      rows: [...old.rows, ...rows.filter((r) => !old.rows.some((o) => o.account === r.account))],
      next: nextAfter,
    }));
  }, [found.data]);
  const rows = useMemo(() => pages.rows.filter((a) => a.account.includes(find)), [pages.rows, find]);
  return (
    <Panel title={t('client.list')} className="list">
      <form
        className="filters"
        onSubmit={(e) => {
          e.preventDefault();
          if (find) go(`/clients/${find}`);
        }}
      >
        <input
          data-search
          type="search"
          inputMode="numeric"
          value={find}
          placeholder={`${t('client.find')}  /`}
          aria-label={t('client.find')}
          onChange={(e) => setFind(e.target.value.replace(/\D/g, ''))}
          maxLength={19}
        />
        <button type="submit" disabled={!find}>
          {t('client.open')}
        </button>
      </form>
      {found.error !== undefined && <Problem error={found.error} onRetry={found.reload} />}
      <AccountTable rows={rows} selected={selected} label={t('client.list')} />
      {pages.next && (
        <div className="pager">
          <button type="button" onClick={() => setPages((old) => ({ ...old, after: old.next }))}>
            {t('common.more')}
          </button>
        </div>
      )}
    </Panel>
  );
}

function OwnAccounts({ selected }: { selected: string }): ReactNode {
  const { t } = usePrefs();
  const { me } = useSession();
  return (
    <Panel title={t('client.list')} className="list">
      <AccountTable rows={me.accounts.map((account) => ({ account }))} selected={selected} label={t('client.list')} />
    </Panel>
  );
}

function OneAccount({ id }: { id: string }): ReactNode {
  const { t, name, lang } = usePrefs();
  const { pages } = useSession();
  const found = useLoad((signal) => askAccount(id, undefined, signal), id, 1_500);
  const quotes = useLoad(market, 'market', 2_000);
  const last = useMemo(() => new Map((quotes.data ?? []).map((q) => [q.symbol, q])), [quotes.data]);
  const account = found.data;
  const worth = (h: Holding): number | undefined => {
    const at = num(h.last) ?? num(last.get(h.symbol ?? '')?.last) ?? num(last.get(h.symbol ?? '')?.prev_close);
    const count = num(h.total);
    return at !== undefined && count !== undefined ? at * count : undefined;
  };
  if (found.error !== undefined && !account)
    return (
      <Panel title={`${t('client.account')} ${id}`} className="fill">
        <Problem error={found.error} onRetry={found.reload} />
      </Panel>
    );
  return (
    <div className="account-view">
      <Panel
        title={`${t('client.account')} ${id}`}
        className="account-facts"
        tools={
          <>
            {account?.as_of_sequence !== undefined && (
              <span className="dim">
                {t('common.asOf')} {grouped(String(account.as_of_sequence))}
              </span>
            )}
            {pages.includes('trading') && (
              <Link className="button" to={`/trading?account=${id}`}>
                {t('nav.trading')}
              </Link>
            )}
            <Link className="button" to={`/orders?account=${id}`}>
              {t('nav.orders')}
            </Link>
          </>
        }
      >
        <Facts
          rows={[
            [t('client.kind'), name('kind', account?.kind)],
            [
              t('client.status'),
              <Dot key="s" tone={account?.status === 'normal' ? 'good' : account ? 'bad' : 'idle'}>
                {name('account', account?.status)}
              </Dot>,
            ],
            [t('client.commission'), account?.commission ?? NONE],
            [
              t('client.stopped'),
              account?.stopped === undefined ? NONE : t(account.stopped ? 'common.yes' : 'common.no'),
            ],
          ]}
        />
      </Panel>
      <Panel title={t('client.cash')} className="cash">
        <Table<Cash>
          label={t('client.cash')}
          rows={account?.cash ?? []}
          id={(c) => c.currency ?? ''}
          columns={[
            { key: 'c', head: t('client.currency'), width: 5, cell: (c) => c.currency },
            ...(
              [
                ['balance', 'client.balance'],
                ['frozen', 'client.frozen'],
                ['available', 'client.available'],
                ['available_hk', 'client.availableHk'],
                ['due_next_day', 'client.dueNext'],
                ['due_later', 'client.dueLater'],
                ['withdrawable', 'client.withdrawable'],
              ] as const
            ).map(([key, word]) => ({
              key,
              head: t(word),
              figure: true,
              cell: (c: Cash) => <span className={c[key]?.startsWith('-') ? 'bad' : ''}>{grouped(c[key])}</span>,
            })),
          ]}
        />
      </Panel>
      <Panel title={`${t('client.holdings')} · ${account?.holdings?.length ?? 0}`} className="holdings">
        <Table<Holding>
          label={t('client.holdings')}
          rows={account?.holdings ?? []}
          id={(h) => h.symbol ?? ''}
          onOpen={(h) => go(`/market?symbol=${encodeURIComponent(h.symbol ?? '')}`)}
          columns={[
            { key: 's', head: t('market.symbol'), cell: (h) => h.symbol },
            { key: 'total', head: t('client.total'), figure: true, cell: (h) => grouped(h.total) },
            { key: 'sellable', head: t('client.sellable'), figure: true, cell: (h) => grouped(h.sellable) },
            { key: 'frozen', head: t('client.frozen'), figure: true, cell: (h) => grouped(h.frozen) },
            { key: 'unsellable', head: t('client.unsellable'), figure: true, cell: (h) => grouped(h.unsellable) },
            {
              key: 'last',
              head: t('market.last'),
              figure: true,
              cell: (h) => {
                const q = last.get(h.symbol ?? '');
                return <span className={tone(moved(q))}>{price(h.last ?? q?.last)}</span>;
              },
            },
            {
              key: 'change',
              head: t('market.changePct'),
              figure: true,
              cell: (h) => {
                const q = last.get(h.symbol ?? '');
                return <span className={tone(moved(q))}>{signed(moved(q), 2, '%')}</span>;
              },
            },
            { key: 'value', head: t('client.value'), figure: true, cell: (h) => short(worth(h), lang) },
          ]}
        />
        {account?.more_holdings && <p className="warn">{t('client.holdingsMore')}</p>}
      </Panel>
    </div>
  );
}
