// K-lines, drawn by klinecharts. Loaded on its own, so that the first view need not wait for it.

import {
  dispose,
  init,
  type Chart,
  type DeepPartial,
  type KLineData,
  type Period as ChartPeriod,
  type Styles,
} from 'klinecharts';
import { useEffect, useRef, type ReactNode } from 'react';

import { candles, type Adjust, type Candle, type Period } from '../api';
import { usePrefs } from '../prefs';

/** Bars of one request. */
const PAGE = 1_000;
/** How often the newest bars are asked for; between them, trades move the last bar. */
const REFRESH_MS = 2_000;

const PERIODS: Record<Period, ChartPeriod> = {
  '1m': { type: 'minute', span: 1 },
  '5m': { type: 'minute', span: 5 },
  '15m': { type: 'minute', span: 15 },
  '30m': { type: 'minute', span: 30 },
  '60m': { type: 'hour', span: 1 },
  '1d': { type: 'day', span: 1 },
  '1w': { type: 'week', span: 1 },
  '1M': { type: 'month', span: 1 },
};

export const MAIN_INDICATORS = ['MA', 'EMA', 'BOLL', 'SAR'] as const;
export const SUB_INDICATORS = ['MACD', 'KDJ', 'RSI', 'WR', 'OBV'] as const;

const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function styles(): DeepPartial<Styles> {
  const [up, down, flat, line, dim, text, panel] = [
    '--up',
    '--down',
    '--dim',
    '--line',
    '--dim',
    '--text',
    '--raised',
  ].map(css) as [string, string, string, string, string, string, string];
  const axis = { axisLine: { color: line }, tickLine: { color: line }, tickText: { color: dim, size: 11 } };
  const bar = {
    upColor: up,
    downColor: down,
    noChangeColor: flat,
    upBorderColor: up,
    downBorderColor: down,
    noChangeBorderColor: flat,
    upWickColor: up,
    downWickColor: down,
    noChangeWickColor: flat,
  };
  const cross = { line: { color: dim }, text: { color: text, backgroundColor: panel, borderColor: line } };
  return {
    grid: { horizontal: { color: line }, vertical: { color: line } },
    candle: {
      bar,
      priceMark: {
        high: { color: dim },
        low: { color: dim },
        last: { upColor: up, downColor: down, noChangeColor: flat, text: { size: 11 } },
      },
      tooltip: { title: { show: false }, legend: { color: dim, size: 11 } },
    },
    indicator: {
      bars: [{ upColor: `${up}99`, downColor: `${down}99`, noChangeColor: `${flat}99` }],
      lines: ['--series-1', '--series-2', '--series-3', '--series-4', '--series-5'].map((name) => ({
        color: css(name),
        size: 1,
      })),
      tooltip: { title: { color: dim, size: 11 }, legend: { color: dim, size: 11 } },
      lastValueMark: { show: false },
    },
    xAxis: axis,
    yAxis: axis,
    separator: { color: line },
    crosshair: { horizontal: cross, vertical: cross },
  };
}

const bar = (candle: Candle): KLineData => ({
  timestamp: candle.time,
  open: candle.open,
  high: candle.high,
  low: candle.low,
  close: candle.close,
  volume: candle.volume,
  ...(candle.turnover === undefined ? {} : { turnover: candle.turnover }),
});

export default function KLine({
  symbol,
  period,
  adjust,
  main,
  sub,
  digits,
  last,
  label,
}: {
  symbol: string;
  period: Period;
  adjust: Adjust;
  main: string;
  sub: string;
  digits: number;
  /** The newest trade price, which moves the last bar between two answers. */
  last: number | undefined;
  label: string;
}): ReactNode {
  const { theme, up, lang } = usePrefs();
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<Chart | null>(null);
  const push = useRef<((bar: KLineData) => void) | null>(null);
  const newest = useRef<KLineData | null>(null);

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const made = init(element, { timezone: 'Asia/Shanghai', styles: styles(), hotkey: { enabled: false } });
    if (!made) return;
    chart.current = made;
    made.createIndicator({ name: 'VOL', calcParams: [5, 10] }, false);
    made.setPaneOptions({ id: 'candle_pane', minHeight: 120 });
    const watcher = new ResizeObserver(() => made.resize());
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      chart.current = null;
      dispose(element);
    };
  }, []);

  useEffect(() => {
    chart.current?.setLocale(lang === 'zh' ? 'zh-CN' : 'en-US');
    chart.current?.setStyles(styles());
  }, [theme, up, lang]);

  useEffect(() => {
    const made = chart.current;
    if (!made || main === '') return;
    const id = made.createIndicator(
      {
        name: main,
        paneId: 'candle_pane',
        ...(main === 'MA' || main === 'EMA' ? { calcParams: [5, 10, 20, 60] } : {}),
      },
      true,
    );
    return () => {
      if (id && chart.current) made.removeIndicator({ paneId: 'candle_pane', name: main });
    };
  }, [main]);

  useEffect(() => {
    const made = chart.current;
    if (!made || sub === '') return;
    made.createIndicator({ name: sub }, false);
    return () => {
      if (chart.current) made.removeIndicator({ name: sub });
    };
  }, [sub]);

  useEffect(() => {
    const made = chart.current;
    if (!made) return;
    const ended = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    // The chart asks once for each thing that is set below; they all mean the same bars.
    let opening: Promise<Candle[]> | null = null;
    let turn = 0;
    newest.current = null;
    const take = (bars: Candle[]): KLineData[] => {
      const read = bars.map(bar);
      const end = read[read.length - 1];
      if (end && (!newest.current || end.timestamp >= newest.current.timestamp)) newest.current = end;
      return read;
    };
    made.setDataLoader({
      getBars: async ({ type, timestamp, callback }) => {
        if (type === 'backward') return callback([], false);
        try {
          const older = type === 'forward';
          const to = older && timestamp !== null ? timestamp : undefined;
          const bars = older
            ? await candles(symbol, period, adjust, { limit: PAGE, to }, ended.signal)
            : await (opening ??= candles(symbol, period, adjust, { limit: PAGE }, ended.signal));
          const read = take(bars).filter((b) => !older || timestamp === null || b.timestamp < timestamp);
          // Whether there are still older bars is known when a page brings none.
          callback(read, { forward: read.length > 0, backward: false });
        } catch {
          if (!ended.signal.aborted) callback([], false);
        }
      },
      subscribeBar: ({ callback }) => {
        push.current = callback;
        const mine = (turn += 1);
        const refresh = async (): Promise<void> => {
          if (mine !== turn) return;
          try {
            for (const fresh of take(await candles(symbol, period, adjust, { limit: 2 }, ended.signal)))
              callback(fresh);
          } catch {
            // The next round asks again.
          }
          if (!ended.signal.aborted)
            timer = setTimeout(() => void refresh(), document.hidden ? REFRESH_MS * 5 : REFRESH_MS);
        };
        clearTimeout(timer);
        timer = setTimeout(() => void refresh(), REFRESH_MS);
      },
      unsubscribeBar: () => {
        turn += 1;
        push.current = null;
        clearTimeout(timer);
      },
    });
    made.setSymbol({ ticker: symbol, pricePrecision: digits, volumePrecision: 0 });
    made.setPeriod(PERIODS[period]);
    return () => {
      ended.abort();
      turn += 1;
      clearTimeout(timer);
      push.current = null;
    };
  }, [symbol, period, adjust, digits]);

  useEffect(() => {
    const end = newest.current;
    // Adjusted prices are not those that trades tell.
    if (last === undefined || end === null || push.current === null || adjust === 'backward' || end.close === last)
      return;
    const moved = { ...end, close: last, high: Math.max(end.high, last), low: Math.min(end.low, last) };
    newest.current = moved;
    push.current(moved);
  }, [last, adjust]);

  return <div className="kline" ref={box} role="img" aria-label={label} />;
}
