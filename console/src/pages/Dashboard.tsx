// What the whole system does right now.

import { lazy, Suspense, useMemo, type ReactNode } from 'react';

import { market, num, stats as askStats, system as askSystem, type Stats } from '../api';
import { fixed, latency, moved, NONE, price, short, signed, tone, whole } from '../format';
import { useLoad } from '../hooks';
import { Dot, Panel, Problem, Table } from '../parts/ui';
import { usePrefs } from '../prefs';
import { go, Link } from '../router';

const Series = lazy(() => import('../parts/Series'));

/** Seconds that the charts show. */
const WINDOW = 300;

// Kept outside, so that a visit to another page does not forget the past minutes.
let past: Stats[] = [];

/** Asks for the whole window first, then for what came since. */
async function follow(signal: AbortSignal): Promise<Stats[]> {
  const newest = past[past.length - 1]?.time ?? 0;
  const missing = Math.ceil((Date.now() - newest) / 1000) + 2;
  const came = (await askStats(Math.min(WINDOW, Math.max(3, missing)), signal)).filter((point) => point.time > newest);
  if (came.length > 0) past = [...past, ...came].slice(-WINDOW);
  return past;
}

function Tile({
  label,
  value,
  tone: colour,
  id,
}: {
  label: string;
  value: ReactNode;
  tone?: string;
  id: string;
}): ReactNode {
  return (
    <div className="tile" data-tile={id}>
      <span className="tile-label">{label}</span>
      <span className={`tile-value ${colour ?? ''}`}>{value}</span>
    </div>
  );
}

export default function Dashboard(): ReactNode {
  const { t, name, lang } = usePrefs();
  const stats = useLoad(follow, 'stats', 1_000);
  const system = useLoad(askSystem, 'system', 3_000);
  const quotes = useLoad(market, 'market', 3_000);
  const points = stats.data ?? past;
  const now = points[points.length - 1];

  const series = useMemo(() => {
    const times = points.map((s) => s.time / 1000);
    const of = (read: (point: Stats) => number | undefined): (number | undefined)[] => points.map(read);
    const ms = (us: number | undefined): number | undefined => (us === undefined ? undefined : us / 1000);
    return {
      rates: [times, of((s) => s.ordersPerS), of((s) => s.tradesPerS)],
      latency: [times, of((s) => ms(s.p50Us)), of((s) => ms(s.p99Us))],
      people: [times, of((s) => s.sessions), of((s) => s.subscribers), of((s) => s.fixSessions)],
      lag: [times, of((s) => ms(s.lagMs))],
    };
  }, [points]);
  const end = (now?.time ?? Date.now()) / 1000;
  const range: [number, number] = [end - WINDOW, end];
  const lag = now?.lagMs === undefined ? undefined : now.lagMs / 1000;
  const movers = useMemo(
    () => [...(quotes.data ?? [])].sort((a, b) => (num(b.turnover) ?? 0) - (num(a.turnover) ?? 0)).slice(0, 30),
    [quotes.data],
  );
  const chart = (
    title: string,
    data: (number | null | undefined)[][],
    lines: { label: string; colour: string; digits?: number; fill?: boolean }[],
  ): ReactNode => (
    <Panel title={title} className="chart-panel">
      <Suspense fallback={<div className="series" />}>
        <Series label={title} data={data} lines={lines} range={range} sync="dash" />
      </Suspense>
    </Panel>
  );

  return (
    <div className="page dashboard">
      <h1 className="sr">{t('nav.dashboard')}</h1>
      {stats.error !== undefined && <Problem error={stats.error} onRetry={stats.reload} />}
      <div className="tiles">
        <Tile id="orders" label={t('dash.orders')} value={whole(now?.ordersPerS)} />
        <Tile id="trades" label={t('dash.trades')} value={whole(now?.tradesPerS)} />
        <Tile id="p50" label={t('dash.p50')} value={latency(now?.p50Us)} />
        <Tile id="p99" label={t('dash.p99')} value={latency(now?.p99Us)} />
        <Tile id="sessions" label={t('dash.sessions')} value={whole(now?.sessions)} />
        <Tile id="subscribers" label={t('dash.subscribers')} value={whole(now?.subscribers)} />
        <Tile
          id="lag"
          label={t('dash.lag')}
          value={lag === undefined ? NONE : `${fixed(lag, lag < 10 ? 2 : 0)} s`}
          tone={lag !== undefined && lag > 1 ? (lag > 10 ? 'bad' : 'warn') : ''}
        />
        <Tile id="sequence" label={t('dash.sequence')} value={whole(system.data?.asOf)} />
      </div>
      <div className="dash-grid">
        {chart(t('dash.rates'), series.rates, [
          { label: t('dash.orders'), colour: '--series-1', fill: true },
          { label: t('dash.trades'), colour: '--series-2' },
        ])}
        {chart(t('dash.latency'), series.latency, [
          { label: 'p50', colour: '--series-3', digits: 2 },
          { label: 'p99', colour: '--series-4', digits: 2 },
        ])}
        {chart(t('dash.people'), series.people, [
          { label: t('dash.sessions'), colour: '--series-1' },
          { label: t('dash.subscribers'), colour: '--series-5' },
          { label: t('dash.fix'), colour: '--series-3' },
        ])}
        {chart(t('dash.lagSeries'), series.lag, [
          { label: t('dash.lag'), colour: '--series-4', digits: 3, fill: true },
        ])}
        <Panel
          title={t('dash.health')}
          className="health"
          tools={
            system.data && (
              <Dot tone={system.data.healthy ? 'good' : 'bad'}>
                {t(system.data.healthy ? 'dash.healthy' : 'dash.unhealthy')}
              </Dot>
            )
          }
        >
          {system.error !== undefined && !system.data && <Problem error={system.error} />}
          <ul className="roles">
            {system.data?.roles.map((role) => (
              <li key={role.name}>
                <strong>{name('role', role.name)}</strong>
                <span className="dim">{t(role.here ? 'system.here' : 'system.elsewhere')}</span>
              </li>
            ))}
            {system.data?.parts.map((part) => (
              <li key={part.name} title={part.detail}>
                <Dot tone={part.well ? 'good' : 'bad'}>{part.name}</Dot>
                <span className="dim cut">{part.detail}</span>
              </li>
            ))}
          </ul>
          <p>
            <Link to="/system">{t('nav.system')} →</Link>
          </p>
        </Panel>
        <Panel title={t('dash.movers')} className="movers">
          <Table
            label={t('dash.movers')}
            rows={movers}
            id={(q) => q.symbol}
            onOpen={(q) => go(`/market?symbol=${q.symbol}`)}
            columns={[
              { key: 's', head: t('market.symbol'), width: 5.6, cell: (q) => q.symbol },
              { key: 'l', head: t('market.last'), figure: true, cell: (q) => price(q.last) },
              {
                key: 'c',
                head: t('market.changePct'),
                figure: true,
                cell: (q) => {
                  const c = moved(q);
                  return <span className={tone(c)}>{signed(c, 2, '%')}</span>;
                },
              },
              { key: 't', head: t('market.turnover'), figure: true, cell: (q) => short(q.turnover, lang) },
            ]}
          />
        </Panel>
      </div>
    </div>
  );
}
