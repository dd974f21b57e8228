// Dense series, drawn by uPlot. Loaded on its own, so that the first view need not wait for it.

import { useEffect, useRef, type ReactNode } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import { clock } from '../format';
import { usePrefs } from '../prefs';

export interface Line {
  label: string;
  /** A CSS variable, for example --accent. */
  colour: string;
  width?: number;
  fill?: boolean;
  /** Bars on a scale of their own, in the lowest quarter. */
  bars?: boolean;
  digits?: number;
}

interface Shown {
  label: string;
  timeLabel: string;
  /** Seconds since 1970, then one list of values for each line. */
  data: (number | null | undefined)[][];
  lines: Line[];
  /** The value in the middle, for example the previous close. */
  middle?: number | undefined;
  /** The whole range of time in seconds, where it is known before the data. */
  range?: [number, number] | undefined;
  /** The x axis is the running number of the minute, told by this function. */
  ticks?: ((index: number) => string) | undefined;
  sync?: string;
}

/** Seconds that a running chart shows at least. */
const SHORTEST = 60;

const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function options(props: Shown, width: number, height: number): uPlot.Options {
  const grid = { stroke: css('--line'), width: 1 };
  const axis = { stroke: css('--dim'), grid, ticks: { ...grid, size: 4 }, font: '11px system-ui, sans-serif' };
  const tell = (index: number): string => (props.ticks ? props.ticks(index) : clock(index * 1000));
  const around =
    (middle: number): uPlot.Scale.Range =>
    (_u, low, high) => {
      const reach = Math.max(Math.abs(high - middle), Math.abs(middle - low), middle * 0.002) * 1.05;
      return [middle - reach, middle + reach];
    };
  const tellLast = (u: uPlot): void => {
    // Without a pointer the legend tells the newest values.
    if ((u.cursor.left ?? -1) >= 0) return;
    let index = u.data[0].length - 1;
    while (index > 0 && props.lines.every((_, i) => u.data[i + 1]?.[index] == null)) index -= 1;
    if (index >= 0) u.setLegend({ idx: index }, false);
  };
  const hasBars = props.lines.some((line) => line.bars);
  return {
    width,
    height,
    ms: 1,
    legend: { show: true, live: true },
    cursor: { y: false, points: { size: 5 }, ...(props.sync ? { sync: { key: props.sync } } : {}) },
    padding: [8, 24, 0, 0],
    scales: {
      x: {
        time: false,
        ...(props.range
          ? {
              range: props.ticks
                ? props.range
                : (_u: uPlot, _low: number, high: number): [number, number] => [Math.min(_low, high - SHORTEST), high],
            }
          : {}),
      },
      y:
        props.middle === undefined
          ? {
              range: (_u, low, high) =>
                low === high
                  ? [Math.min(0, low), (high || 1) * 1.2]
                  : [Math.min(low, low > 0 && low < high * 0.7 ? 0 : low), high + (high - Math.min(0, low)) * 0.08],
            }
          : { range: around(props.middle) },
      ...(hasBars
        ? { bars: { range: (_u: uPlot, _low: number, high: number): [number, number] => [0, (high || 1) * 4] } }
        : {}),
    },
    axes: [
      {
        ...axis,
        space: 70,
        values: (_u, splits) => splits.map((split) => (Number.isInteger(split) || !props.ticks ? tell(split) : '')),
      },
      {
        ...axis,
        size: 58,
        values: (_u, splits) =>
          splits.map((v) =>
            props.middle !== undefined
              ? v.toFixed(2)
              : Math.abs(v) >= 1e6
                ? `${(v / 1e6).toFixed(1)}M`
                : Math.abs(v) >= 1e4
                  ? `${(v / 1e3).toFixed(0)}k`
                  : String(Math.round(v * 1000) / 1000),
          ),
      },
      ...(hasBars ? [{ scale: 'bars', show: false }] : []),
    ],
    series: [
      { label: props.timeLabel, value: (_u, v) => (v === null ? '–' : tell(v)) },
      ...props.lines.map((line): uPlot.Series => ({
        label: line.label,
        stroke: css(line.colour),
        width: line.width ?? 1.5,
        points: { show: false },
        spanGaps: false,
        ...(line.fill ? { fill: `${css(line.colour)}22` } : {}),
        ...(line.bars
          ? { scale: 'bars', fill: `${css(line.colour)}66`, width: 0, paths: uPlot.paths.bars!({ size: [0.7, 6] }) }
          : {}),
        value: (_u, v) => (v === null || v === undefined ? '–' : v.toFixed(line.digits ?? 0)),
      })),
    ],
    hooks: {
      setData: [tellLast],
      setCursor: [tellLast],
      ready: [tellLast],
      draw:
        props.middle === undefined
          ? []
          : [
              (u) => {
                const y = Math.round(u.valToPos(props.middle ?? 0, 'y', true));
                u.ctx.save();
                u.ctx.strokeStyle = css('--dim');
                u.ctx.setLineDash([4, 4]);
                u.ctx.beginPath();
                u.ctx.moveTo(u.bbox.left, y);
                u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
                u.ctx.stroke();
                u.ctx.restore();
              },
            ],
    },
  };
}

const LEGEND = 28;

export default function Series(given: Omit<Shown, 'timeLabel'>): ReactNode {
  const { theme, up, lang, t } = usePrefs();
  const props: Shown = { ...given, timeLabel: t('common.time') };
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const shape = [
    theme,
    up,
    lang,
    props.middle,
    props.ticks ? props.range?.join() : '',
    props.lines.map((l) => l.label + l.colour).join(),
  ].join('|');

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const size = (): { width: number; height: number } => ({
      width: Math.max(80, element.clientWidth),
      height: Math.max(60, element.clientHeight - LEGEND),
    });
    const { width, height } = size();
    const made = new uPlot(options(latest.current, width, height), latest.current.data as uPlot.AlignedData, element);
    plot.current = made;
    const watcher = new ResizeObserver(() => made.setSize(size()));
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    plot.current?.setData(props.data as uPlot.AlignedData);
  }, [props.data]);

  return <div className="series" ref={box} role="img" aria-label={props.label} />;
}
