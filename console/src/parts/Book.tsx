// The order book as a ladder, and the tape of trades.

import { memo, useRef, type KeyboardEvent, type ReactNode } from 'react';

import type { Level, Tick } from '../api';
import { clock, grouped, NONE, price, short } from '../format';
import { usePrefs } from '../prefs';
import type { Seen } from '../stream';

/** Levels of a side that are shown. */
const SHOWN = 10;

function compare(text: string, prevClose: string | undefined): string {
  const [at, before] = [Number(text), Number(prevClose)];
  return !prevClose || at === before ? 'flat' : at > before ? 'up' : 'down';
}

function Row({
  level,
  side,
  place,
  most,
  prevClose,
  onPick,
  first,
}: {
  level: Level | undefined;
  side: 'bid' | 'ask';
  place: number;
  most: number;
  prevClose: string | undefined;
  onPick: ((price: string, side: 'bid' | 'ask') => void) | undefined;
  first: boolean;
}): ReactNode {
  const { t, lang } = usePrefs();
  const width = level && most > 0 ? Math.max(1, (Number(level[1]) / most) * 100) : 0;
  const label = `${t(side === 'bid' ? 'market.bid' : 'market.ask')} ${place}`;
  return (
    <button
      type="button"
      className={`level ${side}`}
      tabIndex={first ? 0 : -1}
      disabled={!level}
      onClick={() => level && onPick?.(level[0], side)}
      aria-label={level ? `${label}: ${price(level[0])} × ${grouped(level[1])}` : `${label}: ${NONE}`}
      data-price={level?.[0]}
    >
      <span className="bar-fill" style={{ width: `${width}%` }} aria-hidden="true" />
      <span className="place">{label}</span>
      <span className={`at ${level ? compare(level[0], prevClose) : ''}`}>{price(level?.[0])}</span>
      <span className="size">{level ? (level[1].length > 7 ? short(level[1], lang) : grouped(level[1])) : NONE}</span>
      <span className="count">{level?.[2] ?? ''}</span>
    </button>
  );
}

export const Ladder = memo(function Ladder({
  seen,
  prevClose,
  onPick,
  shown = SHOWN,
}: {
  seen: Seen | undefined;
  prevClose: string | undefined;
  onPick?: (price: string, side: 'bid' | 'ask') => void;
  shown?: number;
}): ReactNode {
  const { t } = usePrefs();
  const list = useRef<HTMLDivElement>(null);
  const bids = seen?.bids.slice(0, shown) ?? [];
  const asks = seen?.asks.slice(0, shown) ?? [];
  const most = Math.max(1, ...bids.map((l) => Number(l[1])), ...asks.map((l) => Number(l[1])));
  const last = seen?.quote.last;
  const places = Array.from({ length: shown }, (_, i) => i);
  const move = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined || !list.current) return;
    event.preventDefault();
    const rows = [...list.current.querySelectorAll<HTMLButtonElement>('button.level:not(:disabled)')];
    rows[
      Math.max(0, Math.min(rows.length - 1, rows.indexOf(document.activeElement as HTMLButtonElement) + step))
    ]?.focus();
  };
  const spread =
    bids[0] && asks[0]
      ? (Number(asks[0][0]) - Number(bids[0][0])).toFixed(Math.max(2, asks[0][0].split('.')[1]?.length ?? 2))
      : NONE;
  return (
    <div
      className={`ladder ${seen?.stale ? 'stale' : ''}`}
      ref={list}
      role="group"
      aria-label={t('market.depth')}
      onKeyDown={move}
    >
      <div className="side asks">
        {[...places].reverse().map((i) => (
          <Row
            key={i}
            level={asks[i]}
            side="ask"
            place={i + 1}
            most={most}
            prevClose={prevClose}
            onPick={onPick}
            first={bids.length === 0 && i === 0}
          />
        ))}
      </div>
      <div className="middle">
        <strong className={last ? compare(last, prevClose) : ''}>{price(last)}</strong>
        <span className="dim">
          {t('market.spread')} {spread}
        </span>
      </div>
      <div className="side bids">
        {places.map((i) => (
          <Row
            key={i}
            level={bids[i]}
            side="bid"
            place={i + 1}
            most={most}
            prevClose={prevClose}
            onPick={onPick}
            first={i === 0}
          />
        ))}
      </div>
    </div>
  );
});

export const Tape = memo(function Tape({ tape }: { tape: Tick[] }): ReactNode {
  const { t, lang } = usePrefs();
  return (
    <div className="tape" role="log" aria-live="off" aria-label={t('market.tape')} tabIndex={0}>
      {tape.map((tick, i) => (
        <div key={tick.id ?? `${tick.time}-${i}`} className="tick">
          <span className="dim">{clock(tick.time)}</span>
          <span className={tick.side === 'buy' ? 'up' : tick.side === 'sell' ? 'down' : 'flat'}>
            {price(tick.price)}
          </span>
          <span>{tick.quantity.length > 7 ? short(tick.quantity, lang) : grouped(tick.quantity)}</span>
        </div>
      ))}
    </div>
  );
});
