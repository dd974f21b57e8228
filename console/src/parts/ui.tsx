// Small parts that every page uses.

import { useEffect, useId, useRef, type KeyboardEvent, type ReactNode } from 'react';

import { ApiError } from '../api';
import { usePrefs } from '../prefs';

export function Panel({
  title,
  tools,
  children,
  className = '',
  label,
}: {
  title?: ReactNode;
  tools?: ReactNode;
  children: ReactNode;
  className?: string;
  label?: string;
}): ReactNode {
  const id = useId();
  return (
    <section
      className={`panel ${className}`}
      aria-labelledby={title ? id : undefined}
      aria-label={title ? undefined : label}
    >
      {(title || tools) && (
        <header className="panel-head">
          {title && <h2 id={id}>{title}</h2>}
          {tools && <div className="tools">{tools}</div>}
        </header>
      )}
      <div className="panel-body">{children}</div>
    </section>
  );
}

/** What went wrong, in the person's language. */
export function Problem({ error, onRetry }: { error: unknown; onRetry?: () => void }): ReactNode {
  const { t, lang } = usePrefs();
  if (error === undefined || error === null) return null;
  const known = error instanceof ApiError ? error : undefined;
  const title = known ? (known.status === 403 ? t('common.forbidden') : known.titles[lang]) : String(error);
  return (
    <div className="problem" role="alert">
      <strong>{title}</strong>
      {known?.code ? (
        <span className="code">
          {known.code} {known.codeName}
        </span>
      ) : null}
      {known && known.detail && known.status !== 403 ? <p>{known.detail}</p> : null}
      {known && known.errors.length > 0 && (
        <ul>
          {known.errors.map((e) => (
            <li key={e.pointer + e.detail}>
              <code>{e.pointer}</code> {e.detail}
            </li>
          ))}
        </ul>
      )}
      {onRetry && (
        <button type="button" onClick={onRetry}>
          {t('common.retry')}
        </button>
      )}
    </div>
  );
}

export function Empty({ children }: { children?: ReactNode }): ReactNode {
  const { t } = usePrefs();
  return <p className="empty">{children ?? t('common.none')}</p>;
}

export interface Column<R> {
  key: string;
  head: ReactNode;
  cell: (row: R) => ReactNode;
  /** Right-aligned tabular figures. */
  figure?: boolean;
  /** Width in rem. */
  width?: number;
  /** Left out where the window is as narrow as a phone. */
  spare?: boolean;
}

/** A table whose rows are moved through with the arrow keys and opened with Enter. */
export function Table<R>({
  columns,
  rows,
  id,
  label,
  onOpen,
  onKey,
  selected,
  empty,
  className = '',
}: {
  columns: Column<R>[];
  rows: R[];
  id: (row: R) => string;
  label: string;
  onOpen?: ((row: R) => void) | undefined;
  onKey?: (row: R, event: KeyboardEvent) => void;
  selected?: string | undefined;
  empty?: ReactNode;
  className?: string;
}): ReactNode {
  const body = useRef<HTMLTableSectionElement>(null);
  const usable = onOpen !== undefined || onKey !== undefined;
  const stop = rows.findIndex((row) => id(row) === selected);
  const move = (event: KeyboardEvent<HTMLTableRowElement>, row: R, index: number): void => {
    if (event.target !== event.currentTarget) return;
    const to = {
      ArrowDown: index + 1,
      ArrowUp: index - 1,
      Home: 0,
      End: rows.length - 1,
      PageDown: index + 10,
      PageUp: index - 10,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      const next = body.current?.rows[Math.max(0, Math.min(rows.length - 1, to))];
      next?.focus();
    } else if (event.key === 'Enter' && onOpen) {
      event.preventDefault();
      onOpen(row);
    } else onKey?.(row, event);
  };
  return (
    <div
      className={`table-wrap ${className}`}
      tabIndex={usable ? undefined : 0}
      role={usable ? undefined : 'group'}
      aria-label={usable ? undefined : label}
    >
      <table aria-label={label}>
        <colgroup>
          {columns.map((c) => (
            <col
              key={c.key}
              className={c.spare ? 'spare' : undefined}
              style={c.width ? { width: `${c.width}rem` } : undefined}
            />
          ))}
        </colgroup>
        <thead>
          <tr>
            {columns.map((c) => (
              <th key={c.key} scope="col" className={classOf(c)}>
                {c.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {rows.map((row, index) => {
            const key = id(row);
            return (
              <tr
                key={key}
                data-row={key}
                tabIndex={usable ? (index === Math.max(0, stop) ? 0 : -1) : undefined}
                aria-selected={selected === undefined ? undefined : key === selected}
                className={`${onOpen ? 'opens' : ''} ${key === selected ? 'selected' : ''}`}
                onClick={onOpen ? () => onOpen(row) : undefined}
                onKeyDown={usable ? (event) => move(event, row, index) : undefined}
              >
                {columns.map((c) => (
                  <td key={c.key} className={classOf(c)}>
                    {c.cell(row)}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
      {rows.length === 0 && <Empty>{empty}</Empty>}
    </div>
  );
}

/** One of several choices, moved through with the arrow keys. */
export function Choice<T extends string>({
  label,
  value,
  options,
  onChange,
  className = '',
}: {
  label: string;
  value: T;
  options: readonly (readonly [T, ReactNode])[];
  onChange: (value: T) => void;
  className?: string;
}): ReactNode {
  const group = useRef<HTMLDivElement>(null);
  const move = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const at = options.findIndex(([option]) => option === value);
    const next = (at + step + options.length) % options.length;
    const option = options[next];
    if (!option) return;
    onChange(option[0]);
    group.current?.querySelectorAll('button')[next]?.focus();
  };
  return (
    <div className={`choice ${className}`} role="radiogroup" aria-label={label} ref={group} onKeyDown={move}>
      {options.map(([option, text]) => (
        <button
          key={option}
          type="button"
          role="radio"
          aria-checked={option === value}
          tabIndex={option === value ? 0 : -1}
          data-value={option}
          onClick={() => onChange(option)}
        >
          {text}
        </button>
      ))}
    </div>
  );
}

/** A dialog of the browser's own: it traps the focus, and Escape closes it. */
export function Dialog({
  open,
  title,
  onClose,
  children,
}: {
  open: boolean;
  title: string;
  onClose: () => void;
  children: ReactNode;
}): ReactNode {
  const { t } = usePrefs();
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    if (open && dialog && !dialog.open) {
      dialog.showModal();
      // The browser would focus the first button, which closes; the one that goes on is meant.
      dialog.querySelector<HTMLElement>('[data-focus]')?.focus();
    }
    if (!open && dialog?.open) dialog.close();
  }, [open]);
  return (
    <dialog
      ref={element}
      aria-labelledby={id}
      onClose={onClose}
      onClick={(e) => {
        if (e.target === element.current) onClose();
      }}
    >
      {open && (
        <div className="dialog">
          <header>
            <h2 id={id}>{title}</h2>
            <button type="button" className="ghost" onClick={onClose} aria-label={t('common.close')}>
              ✕
            </button>
          </header>
          {children}
        </div>
      )}
    </dialog>
  );
}

export function Dot({ tone, children }: { tone: 'good' | 'warn' | 'bad' | 'idle'; children: ReactNode }): ReactNode {
  return <span className={`dot ${tone}`}>{children}</span>;
}

export function Facts({ rows }: { rows: readonly (readonly [ReactNode, ReactNode])[] }): ReactNode {
  return (
    <dl className="facts">
      {rows.map(([name, value], i) => (
        <div key={i}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

const classOf = (column: { figure?: boolean; spare?: boolean }): string | undefined =>
  [column.figure && 'fig', column.spare && 'spare'].filter(Boolean).join(' ') || undefined;

const LIVE_TONE: Record<string, 'good' | 'warn' | 'bad' | 'idle'> = {
  routed: 'warn',
  'sent-unknown': 'bad',
  working: 'good',
  'partly-filled': 'good',
  'pending-cancel': 'warn',
  rejected: 'bad',
  accepted: 'warn',
};
export function Status({ status }: { status: string | undefined }): ReactNode {
  const { name } = usePrefs();
  return (
    <span className={`status ${LIVE_TONE[status ?? ''] ?? 'idle'}`} data-status={status}>
      {name('status', status)}
    </span>
  );
}
export function SideTag({ side }: { side: string | undefined }): ReactNode {
  const { name } = usePrefs();
  return <span className={side === 'buy' ? 'buy' : side === 'sell' ? 'sell' : undefined}>{name('side', side)}</span>;
}
