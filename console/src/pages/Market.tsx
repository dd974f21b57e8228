// One instrument at a time, live: book, tape, K-lines, the day's line, where the money flows.

import { lazy, Suspense, useEffect, useMemo, useState, type ReactNode } from 'react';

import {
  ADJUSTS,
  fundFlow,
  intraday,
  market,
  num,
  PERIODS,
  trades,
  type Adjust,
  type Intraday,
  type Period,
  type Quote,
} from '../api';
import { clock, moved, precision, price, short, signed, tone } from '../format';
import { useLoad, useSeen, useStreamState } from '../hooks';
import { Ladder, Tape } from '../parts/Book';
import { InstrumentList } from '../parts/InstrumentList';
import { Choice, Empty, Panel, Problem } from '../parts/ui';
import { usePrefs } from '../prefs';
import { go, Link, useParam } from '../router';
import { useSession } from '../session';

const KLine = lazy(() => import('../parts/KLine'));
const Series = lazy(() => import('../parts/Series'));

const CHARTS = ['kline', 'intraday', 'fundFlow'] as const;
type ChartKind = (typeof CHARTS)[number];
const MAIN = ['', 'MA', 'EMA', 'BOLL', 'SAR'] as const;
const SUB = ['', 'MACD', 'KDJ', 'RSI', 'WR', 'OBV'] as const;

function QuoteStrip({ quote, name: phase }: { quote: Quote; name: string }): ReactNode {
  const { t, lang } = usePrefs();
  const percent = moved(quote);
  const [last, before] = [num(quote.last), num(quote.prev_close)];
  const change = last !== undefined && before !== undefined ? last - before : num(quote.change);
  const digits = precision(quote.last, quote.prev_close);
  const against = (text: string | undefined): string =>
    tone(num(text) === undefined || before === undefined ? undefined : (num(text) ?? 0) - before);
  const cells: [string, ReactNode, string][] = [
    [t('market.open'), price(quote.open), against(quote.open)],
    [t('market.high'), price(quote.high), against(quote.high)],
    [t('market.low'), price(quote.low), against(quote.low)],
    [t('market.prevClose'), price(quote.prev_close), ''],
    [t('market.volume'), short(quote.volume, lang), ''],
    [t('market.turnover'), short(quote.turnover, lang), ''],
    [t('market.limitUp'), price(quote.limit_up), 'up'],
    [t('market.limitDown'), price(quote.limit_down), 'down'],
    [t('market.phase'), phase, ''],
  ];
  return (
    <div className="quote">
      <div className="quote-head">
        <h1>{quote.symbol}</h1>
        {quote.name && <span className="dim">{quote.name}</span>}
        <strong className={tone(percent)} data-quote="last">
          {price(quote.last)}
        </strong>
        <span className={tone(percent)}>{signed(change, digits)}</span>
        <span className={tone(percent)}>{signed(percent, 2, '%')}</span>
      </div>
      <dl>
        {cells.map(([label, value, colour]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd className={colour}>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

/** Minutes of the trading day, named after their end: 09:31–11:30 and 13:01–15:00, Hong Kong until 12:00 and 16:00. */
function minutesOf(symbol: string): string[] {
  const hk = symbol.endsWith('.HK');
  const spans: [number, number][] = hk
    ? [
        [570, 720],
        [780, 960],
      ]
    : [
        [570, 690],
        [780, 900],
      ];
  const text = (m: number): string =>
    `${String(Math.floor(m / 60)).padStart(2, '0')}:${String(m % 60).padStart(2, '0')}`;
  return spans.flatMap(([from, to]) => Array.from({ length: to - from }, (_, k) => text(from + k + 1)));
}

function IntradayChart({
  line,
  symbol,
  prevClose,
}: {
  line: Intraday;
  symbol: string;
  prevClose: number | undefined;
}): ReactNode {
  const { t } = usePrefs();
  const minutes = useMemo(() => minutesOf(symbol), [symbol]);
  const data = useMemo(() => {
    const places = new Map(minutes.map((minute, i) => [minute, i]));
    const rows = minutes.map((_, i): (number | null)[] => [i, null, null, null]);
    for (const point of line.points) {
      const row = rows[places.get(clock(point.time).slice(0, 5)) ?? -1];
      if (row) [row[1], row[2], row[3]] = [point.price, point.average, point.volume];
    }
    return [0, 1, 2, 3].map((k) => rows.map((row) => row[k] ?? null));
  }, [line, minutes]);
  return (
    <Series
      label={t('market.intraday')}
      data={data}
      lines={[
        { label: t('market.price'), colour: '--series-1', fill: false, digits: 2 },
        { label: t('market.average'), colour: '--series-2', width: 1, digits: 3 },
        { label: t('market.volume'), colour: '--series-3', bars: true },
      ]}
      middle={line.prevClose ?? prevClose}
      range={[0, minutes.length - 1]}
      ticks={(index) => minutes[Math.round(index)] ?? ''}
    />
  );
}

function Flow({ symbol, chart }: { symbol: string; chart: boolean }): ReactNode {
  const { t, lang } = usePrefs();
  const flow = useLoad((signal) => fundFlow(symbol, signal), symbol, 3_000);
  if (flow.error !== undefined && !flow.data) return <Problem error={flow.error} onRetry={flow.reload} />;
  const sizes =
    flow.data?.sizes ??
    (['large', 'medium', 'small'] as const).map((size) => ({
      size,
      bought: undefined,
      sold: undefined,
      net: undefined,
    }));
  const most = Math.max(1, ...sizes.flatMap((s) => [num(s.bought) ?? 0, num(s.sold) ?? 0]));
  const net = (s: {
    net?: string | undefined;
    bought?: string | undefined;
    sold?: string | undefined;
  }): number | undefined =>
    num(s.net) ??
    (s.bought !== undefined && s.sold !== undefined ? (num(s.bought) ?? 0) - (num(s.sold) ?? 0) : undefined);
  const points = flow.data?.points ?? [];
  return (
    <div className={`flow ${chart ? 'tall' : ''}`}>
      <table aria-label={t('market.fundFlow')}>
        <thead>
          <tr>
            <th scope="col" />
            <th scope="col" className="fig">
              {t('market.inflow')}
            </th>
            <th scope="col" className="fig">
              {t('market.outflow')}
            </th>
            <th scope="col" className="fig">
              {t('market.net')}
            </th>
          </tr>
        </thead>
        <tbody>
          {sizes.map((s) => (
            <tr key={s.size}>
              <th scope="row">{t(`market.${s.size}`)}</th>
              <td className="fig">
                <span className="flow-bar in" style={{ width: `${((num(s.bought) ?? 0) / most) * 100}%` }} />
                {short(s.bought, lang)}
              </td>
              <td className="fig">
                <span className="flow-bar out" style={{ width: `${((num(s.sold) ?? 0) / most) * 100}%` }} />
                {short(s.sold, lang)}
              </td>
              <td className={`fig ${tone(net(s))}`}>{short(net(s), lang)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {chart &&
        (points.length > 1 ? (
          <Suspense fallback={<div className="series" />}>
            <Series
              label={t('market.netFlow')}
              data={[
                points.map((_, i) => i),
                points.map((p) => p.large),
                points.map((p) => p.medium),
                points.map((p) => p.small),
              ]}
              range={[0, points.length - 1]}
              ticks={(i) => clock(points[Math.round(i)]?.time).slice(0, 5)}
              lines={[
                { label: t('market.large'), colour: '--series-1', fill: true },
                { label: t('market.medium'), colour: '--series-2' },
                { label: t('market.small'), colour: '--series-3' },
              ]}
            />
          </Suspense>
        ) : null)}
    </div>
  );
}

export default function Market(): ReactNode {
  const { t, name } = usePrefs();
  const { listing, pages } = useSession();
  const [wanted, setWanted] = useParam('symbol');
  const [find] = useParam('find');
  const [chartParam, setChart] = useParam('chart');
  const [periodParam, setPeriod] = useParam('period');
  const [adjustParam, setAdjust] = useParam('adjust');
  const [main, setMain] = useState<string>('MA');
  const [sub, setSub] = useState<string>('MACD');
  const quotes = useLoad(market, 'market', (listing?.instruments.length ?? 0) > 500 ? 3_000 : 1_000);
  const chart = CHARTS.find((c) => c === chartParam) ?? 'kline';
  const period: Period = PERIODS.find((p) => p === periodParam) ?? '1m';
  const adjust: Adjust = ADJUSTS.find((a) => a === adjustParam) ?? 'none';

  const all = useMemo<Quote[]>(() => {
    const known = new Map((listing?.instruments ?? []).map((i) => [i.symbol, i]));
    const shown: Quote[] = (quotes.data ?? []).map((q) => ({
      ...q,
      prev_close: q.prev_close ?? known.get(q.symbol)?.prev_close ?? undefined,
    }));
    const have = new Set(shown.map((q) => q.symbol));
    for (const i of known.values())
      if (!have.has(i.symbol)) shown.push({ symbol: i.symbol, prev_close: i.prev_close ?? undefined });
    return shown;
  }, [quotes.data, listing]);
  const busiest = useMemo(
    () =>
      all.reduce<Quote | undefined>(
        (best, q) => (best === undefined || (num(q.turnover) ?? 0) > (num(best.turnover) ?? 0) ? q : best),
        undefined,
      )?.symbol ?? '',
    [all],
  );
  const [chosen, setChosen] = useState('');
  // The first instrument that is chosen for the person stays, however the turnover changes.
  useEffect(() => {
    if (!chosen && busiest && quotes.data) setChosen(busiest);
  }, [chosen, busiest, quotes.data]);
  const symbol = wanted || chosen;

  const seen = useSeen(symbol);
  const { dropped, level } = useStreamState();
  const listed = listing?.instruments.find((i) => i.symbol === symbol);
  const row = all.find((q) => q.symbol === symbol);
  const quote: Quote = useMemo(
    () => ({
      symbol,
      prev_close: listed?.prev_close ?? undefined,
      limit_up: listed?.limit_up ?? undefined,
      limit_down: listed?.limit_down ?? undefined,
      phase: listed?.phase ?? undefined,
      ...row,
      ...seen?.quote,
    }),
    [symbol, listed, row, seen],
  );
  const digits = precision(listed?.tick, quote.prev_close);

  // The stream brings trades from now on; those before are asked for once.
  const before = useLoad((signal) => (symbol ? trades(symbol, 60, signal) : Promise.resolve([])), symbol);
  const tape = useMemo(() => {
    const live = seen?.tape ?? [];
    // Whoever is told only the last trade is told no numbers.
    const numbered = live.every((tick) => tick.id !== undefined);
    const ids = new Set(live.map((tick) => tick.id));
    const oldest = live[live.length - 1]?.time;
    const older = [...(before.data ?? [])]
      .filter((tick) =>
        numbered && tick.id !== undefined ? !ids.has(tick.id) : oldest === undefined || (tick.time ?? '') < oldest,
      )
      .sort((a, b) => (b.time ?? '').localeCompare(a.time ?? '') || (num(b.id) ?? 0) - (num(a.id) ?? 0));
    return [...live, ...older].slice(0, 80);
  }, [seen, before.data]);
  const line = useLoad(
    (signal) => (symbol && chart === 'intraday' ? intraday(symbol, signal) : Promise.resolve(undefined)),
    `${symbol}|${chart}`,
    chart === 'intraday' ? 2_000 : 0,
  );

  const tools = (
    <>
      <Choice
        label={t('market.chart')}
        value={chart}
        onChange={(c: ChartKind) => setChart(c === 'kline' ? '' : c)}
        options={CHARTS.map((c) => [c, t(`market.${c}`)] as const)}
      />
      {chart === 'kline' && (
        <>
          <Choice
            label={t('market.period')}
            value={period}
            onChange={(p) => setPeriod(p === '1m' ? '' : p)}
            options={PERIODS.map((p) => [p, t(`period.${p}`)] as const)}
          />
          <label className="inline">
            {t('market.adjust')}
            <select value={adjust} onChange={(e) => setAdjust(e.target.value === 'none' ? '' : e.target.value)}>
              {ADJUSTS.map((a) => (
                <option key={a} value={a}>
                  {t(`market.adjust.${a}`)}
                </option>
              ))}
            </select>
          </label>
          <label className="inline">
            {t('market.main')}
            <select value={main} onChange={(e) => setMain(e.target.value)}>
              {MAIN.map((m) => (
                <option key={m} value={m}>
                  {m || t('market.off')}
                </option>
              ))}
            </select>
          </label>
          <label className="inline">
            {t('market.sub')}
            <select value={sub} onChange={(e) => setSub(e.target.value)}>
              {SUB.map((m) => (
                <option key={m} value={m}>
                  {m || t('market.off')}
                </option>
              ))}
            </select>
          </label>
        </>
      )}
    </>
  );

  return (
    <div className={`page market ${chart === 'fundFlow' ? 'wide-chart' : ''}`}>
      <Panel label={t('market.instruments')} className="list">
        <InstrumentList quotes={all} selected={symbol} onSelect={setWanted} focusSearch={find === '1'} />
        {quotes.error !== undefined && <Problem error={quotes.error} />}
      </Panel>
      <Panel label={symbol} className="strip">
        <QuoteStrip quote={quote} name={name('phase', quote.phase)} />
        {pages.includes('trading') && symbol && (
          <Link className="button primary" to={`/trading?symbol=${encodeURIComponent(symbol)}`}>
            {t('market.trade')}
          </Link>
        )}
      </Panel>
      <Panel label={t('market.chart')} tools={tools} className="chart">
        <Suspense fallback={<div className="series" />}>
          {symbol && chart === 'kline' && (
            <KLine
              symbol={symbol}
              period={period}
              adjust={adjust}
              main={main}
              sub={sub}
              digits={digits}
              last={num(quote.last)}
              label={`${symbol} ${t('market.kline')} ${t(`period.${period}`)}`}
            />
          )}
          {symbol &&
            chart === 'intraday' &&
            (line.data ? (
              <IntradayChart line={line.data} symbol={symbol} prevClose={num(quote.prev_close)} />
            ) : line.error !== undefined ? (
              <Problem error={line.error} onRetry={line.reload} />
            ) : (
              <div className="series" />
            ))}
          {symbol && chart === 'fundFlow' && <Flow symbol={symbol} chart />}
          {!symbol && <Empty />}
        </Suspense>
      </Panel>
      <Panel
        title={t('market.depth')}
        className="depth"
        tools={
          seen?.stale ? (
            <span className="warn">{t('common.stale')}</span>
          ) : (
            dropped > 0 && (
              <span className="warn" title={t('market.dropped')}>
                ↻ {dropped}
              </span>
            )
          )
        }
      >
        <Ladder
          seen={seen}
          prevClose={quote.prev_close}
          shown={level === 'level1' ? 5 : 10}
          onPick={(at, side) => {
            if (pages.includes('trading'))
              go(`/trading?symbol=${encodeURIComponent(symbol)}&price=${at}&side=${side === 'ask' ? 'buy' : 'sell'}`);
          }}
        />
      </Panel>
      <Panel title={t('market.tape')} className="tape-panel">
        <Tape tape={tape} />
      </Panel>
      {chart !== 'fundFlow' && (
        <Panel title={t('market.fundFlow')} className="flow-panel">
          {symbol && <Flow symbol={symbol} chart={false} />}
        </Panel>
      )}
    </div>
  );
}
