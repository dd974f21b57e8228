// Orders of an account with filters; one order with its time line, every check and every fill.

import { useMemo, useState, type ReactNode } from 'react';

import {
  ApiError,
  fills as askFills,
  num,
  order as askOrder,
  orders as askOrders,
  timeline,
  type Order,
  type Step,
} from '../api';
import { codedNames } from '../codes';
import { fixed, grouped, moment, NONE, precision, price } from '../format';
import { useLoad } from '../hooks';
import { isLive, OrderReason, OrderTable } from '../parts/OrderTable';
import { Empty, Facts, Panel, Problem, SideTag, Status } from '../parts/ui';
import { usePrefs } from '../prefs';
import { go, Link, useParam, usePath } from '../router';
import { useSession } from '../session';
import { AccountField, useAccountChoices } from '../parts/AccountField';
import { FillTable } from '../parts/FillTable';

export default function Orders(): ReactNode {
  const id = usePath().split('/')[2];
  return id ? <OneOrder id={decodeURIComponent(id)} /> : <OrderList />;
}

const PAGE = 100;

function OrderList(): ReactNode {
  const { t, name } = usePrefs();
  const { me, staff, listing } = useSession();
  const [accountParam, setAccount] = useParam('account');
  const [status, setStatus] = useParam('status');
  const [symbol, setSymbol] = useParam('symbol');
  const [side, setSide] = useParam('side');
  const [date, setDate] = useParam('date');
  const [before, setBefore] = useParam('before');
  const choices = useAccountChoices();
  const account = accountParam || me.accounts[0] || choices[0] || '';
  const newest = before === '';
  const found = useLoad(
    (signal) =>
      account
        ? askOrders(
            {
              account,
              status: status === 'live' ? 'live' : undefined,
              trade_date: date || undefined,
              before: before || undefined,
              limit: PAGE,
            },
            signal,
          )
        : Promise.resolve({ rows: [] as Order[] }),
    `${account}|${status}|${date}|${before}`,
    newest ? 2_000 : 0,
  );
  const page: { rows: Order[]; asOf?: number | undefined; nextBefore?: string | undefined } | undefined = found.data;
  // What the server's list does not filter by is filtered here, within the page.
  const rows = useMemo(
    () =>
      (page?.rows ?? []).filter(
        (o) =>
          (symbol === '' || (o.symbol ?? '').toLowerCase().includes(symbol.toLowerCase())) &&
          (side === '' || o.side === side) &&
          (status === '' || (status === 'live' ? isLive(o) : o.status === status)),
      ),
    [page, symbol, side, status],
  );
  const set =
    (put: (value: string) => void) =>
    (value: string): void => {
      setBefore('');
      put(value);
    };
  const states = [
    'working',
    'partly-filled',
    'sent-unknown',
    'pending-cancel',
    'filled',
    'cancelled',
    'partly-cancelled',
    'expired',
    'rejected',
  ];

  return (
    <div className="page orders">
      <h1 className="sr">{t('nav.orders')}</h1>
      <Panel
        title={t('order.list')}
        className="fill"
        tools={
          page?.asOf !== undefined ? (
            <span className="dim">
              {t('common.asOf')} {grouped(String(page.asOf))}
            </span>
          ) : undefined
        }
      >
        <form className="filters" role="search" aria-label={t('order.filter')} onSubmit={(e) => e.preventDefault()}>
          <AccountField value={account} onChange={set(setAccount)} choices={choices} label={t('trade.account')} />
          <label>
            {t('market.symbol')}
            <input
              data-search
              value={symbol}
              onChange={(e) => setSymbol(e.target.value.trim())}
              list="order-symbols"
              spellCheck={false}
              maxLength={16}
            />
          </label>
          <datalist id="order-symbols">
            {(listing?.instruments ?? []).slice(0, 1000).map((i) => (
              <option key={i.symbol} value={i.symbol} />
            ))}
          </datalist>
          <label>
            {t('trade.side')}
            <select value={side} onChange={(e) => setSide(e.target.value)}>
              <option value="">{t('common.all')}</option>
              <option value="buy">{t('side.buy')}</option>
              <option value="sell">{t('side.sell')}</option>
            </select>
          </label>
          <label>
            {t('order.status')}
            <select name="status" value={status} onChange={(e) => set(setStatus)(e.target.value)}>
              <option value="">{t('common.all')}</option>
              <option value="live">{t('order.live')}</option>
              {states.map((s) => (
                <option key={s} value={s}>
                  {name('status', s)}
                </option>
              ))}
            </select>
          </label>
          <label>
            {t('order.date')}
            <input type="date" value={date} onChange={(e) => set(setDate)(e.target.value)} />
          </label>
        </form>
        {found.error !== undefined && <Problem error={found.error} onRetry={found.reload} />}
        {staff && !account && <Empty>{t('client.choose')}</Empty>}
        <OrderTable orders={rows} label={t('order.list')} full onOpen={(o) => go(`/orders/${o.order_id}`)} />
        <div className="pager">
          <button type="button" disabled={newest} onClick={() => setBefore('')}>
            {t('common.newer')}
          </button>
          <button type="button" disabled={!page?.nextBefore} onClick={() => setBefore(page?.nextBefore ?? '')}>
            {t('common.more')}
          </button>
        </div>
      </Panel>
    </div>
  );
}

/** The largest number that the core counts with stands for no limit; so does a largest value of nothing. */
const ENDLESS = ['9223372036854775807', '922337203685477.5807', '92233720368.54775807'];
const NO_LIMIT = /^0(\.0+)?$/;

function Values({ rows }: { rows: [string, string][] }): ReactNode {
  const { t, name, lang } = usePrefs();
  const shown = (key: string, value: string): string => {
    if (ENDLESS.includes(value) || (key === 'value_max' && NO_LIMIT.test(value))) return t('common.noLimit');
    if (key === 'reason') return name(key, value);
    const coded = codedNames(key, value);
    if (coded === undefined) return grouped(value);
    return typeof coded === 'boolean'
      ? t(coded ? 'common.yes' : 'common.no')
      : coded.names.map((one) => name(coded.group, one)).join(lang === 'zh' ? '、' : ', ');
  };
  return rows.map(([key, value]) => (
    <span key={key}>
      <span className="dim">{name('field', key)}</span> {shown(key, value)}
    </span>
  ));
}

function CheckList({ step }: { step: Step }): ReactNode {
  const { t, name } = usePrefs();
  if (step.checks.length === 0) return null;
  return (
    <details open={step.checks.some((c) => c.passed === false) || step.checks.length <= 24}>
      <summary>
        {t('order.checks')} · {step.checks.length}
      </summary>
      <table className="checks" aria-label={t('order.checks')}>
        <tbody>
          {step.checks.map((check, i) => (
            <tr key={`${check.name}-${i}`}>
              <td className={check.passed === false ? 'bad' : check.passed ? 'good' : 'dim'}>
                {check.passed === undefined ? NONE : check.passed ? `✓ ${t('order.passed')}` : `✕ ${t('order.failed')}`}
              </td>
              <th scope="row">{name('check', check.name)}</th>
              <td className="inputs">
                <Values rows={check.input} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

function OneOrder({ id }: { id: string }): ReactNode {
  const { t, name, lang } = usePrefs();
  const [live, setLive] = useState(true);
  const found = useLoad(
    async (signal) => {
      const order = await askOrder(id, undefined, signal);
      setLive(isLive(order));
      return order;
    },
    id,
    live ? 1_000 : 5_000,
  );
  const steps = useLoad((signal) => timeline(id, signal), id, live ? 1_000 : 5_000);
  const own = found.data?.fills;
  const filled = useLoad(
    (signal) =>
      own || !found.data
        ? Promise.resolve(undefined)
        : askFills({ account: found.data.account, order: id, limit: 200 }, signal),
    `${id}|${own ? 'own' : 'ask'}|${found.data?.filled ?? ''}`,
  );
  const order = found.data;
  if (found.error !== undefined && !order) {
    return (
      <div className="page">
        <Panel title={`${t('order.id')} ${id}`}>
          <Problem error={found.error} onRetry={found.reload} />
          <Link to="/orders">{t('order.back')}</Link>
        </Panel>
      </div>
    );
  }
  const quantity = num(order?.filled);
  const average =
    order?.value && quantity ? fixed((num(order.value) ?? NaN) / quantity, precision(order.price) + 1) : NONE;
  return (
    <div className="page order">
      <Panel
        title={`${t('order.id')} ${id}`}
        className="order-facts"
        tools={<Link to={order?.account ? `/orders?account=${order.account}` : '/orders'}>{t('order.back')}</Link>}
      >
        {order && (
          <Facts
            rows={[
              [t('order.status'), <Status key="s" status={order.status} />],
              [
                t('market.symbol'),
                <Link key="m" to={`/market?symbol=${encodeURIComponent(order.symbol ?? '')}`}>
                  {order.symbol}
                </Link>,
              ],
              [t('trade.side'), <SideTag key="d" side={order.side} />],
              [t('trade.type'), name('type', order.type)],
              [t('trade.price'), price(order.price)],
              [t('trade.quantity'), grouped(order.quantity)],
              [t('order.filled'), grouped(order.filled)],
              [t('order.average'), average],
              [t('order.value'), grouped(order.value)],
              [t('order.fees'), grouped(order.fees)],
              [t('trade.account'), order.account ?? NONE],
              [t('order.clientId'), order.client_order_id ?? NONE],
              [t('order.date'), order.trade_date ?? NONE],
              [t('order.placedAt'), moment(order.placed_at, 3)],
              [t('order.changedAt'), moment(order.changed_at, 3)],
              ...(order.reject || order.reason
                ? [[t('order.reason'), <OrderReason key="r" order={order} />] as const]
                : []),
            ]}
          />
        )}
      </Panel>
      <Panel title={t('order.timeline')} className="timeline-panel">
        {steps.error instanceof ApiError && <Problem error={steps.error} onRetry={steps.reload} />}
        <ol className="timeline">
          {(steps.data ?? []).map((step, i) => (
            <li key={`${step.sequence ?? ''}-${i}`}>
              <div className="step-head">
                <strong>{name('event', step.what)}</strong>
                {step.after !== undefined && (
                  <span className="change">
                    {step.before !== undefined && <>{name('status', step.before)} → </>}
                    <Status status={step.after} />
                  </span>
                )}
                <span className="dim">{moment(step.time, 6)}</span>
                {step.sequence !== undefined && <span className="dim">#{grouped(String(step.sequence))}</span>}
              </div>
              {step.facts.length > 0 && (
                <div className="inputs">
                  <Values rows={step.facts} />
                </div>
              )}
              {step.reject && (
                <p className="bad">
                  {step.reject.code} {lang === 'zh' ? step.reject.title_zh : step.reject.title}
                </p>
              )}
              <CheckList step={step} />
            </li>
          ))}
        </ol>
        {steps.data?.length === 0 && <Empty />}
      </Panel>
      <Panel title={t('order.fills')} className="order-fills">
        <FillTable fills={own ?? filled.data?.rows ?? []} />
      </Panel>
    </div>
  );
}
