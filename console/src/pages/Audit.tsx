// The audit trail, searched: every field of the form stands in the address, so that a search can be handed on.

import { useState, type FormEvent, type ReactNode } from 'react';

import { audit, AUDIT_FIELDS, OUTCOMES, type AuditFilter, type AuditRow } from '../audit';
import { auditProofFile } from '../evidence';
import { grouped, moment, NONE } from '../format';
import { useDoing, usePages } from '../hooks';
import { More, save, useCan, Waiting } from '../parts/oversight';
import { Dialog, Dot, Facts, Panel, Problem, Table } from '../parts/ui';
import { usePrefs } from '../prefs';
import { go, Link, useSearch } from '../router';

const TONE = { allowed: 'idle', done: 'good', denied: 'bad', failed: 'warn' } as const;
const toneOf = (outcome: string): 'good' | 'warn' | 'bad' | 'idle' => TONE[outcome as keyof typeof TONE] ?? 'idle';

const read = (search: string): AuditFilter => {
  const params = new URLSearchParams(search);
  return Object.fromEntries(AUDIT_FIELDS.map((name) => [name, params.get(name) ?? ''])) as Record<
    keyof AuditFilter,
    string
  >;
};
const address = (filter: AuditFilter): string => {
  const params = new URLSearchParams();
  for (const name of AUDIT_FIELDS) if (filter[name]) params.set(name, filter[name]);
  const text = params.toString();
  return `/audit${text ? `?${text}` : ''}`;
};

export default function Audit(): ReactNode {
  const { t, name } = usePrefs();
  const search = useSearch();
  const filter = read(search);
  const key = address(filter);
  const list = usePages((before, signal) => audit(filter, before, signal), key);
  const [open, setOpen] = useState<AuditRow>();
  const rows = list.rows ?? [];
  return (
    <div className="page oversight audit">
      <h1 className="sr">{t('nav.audit')}</h1>
      <Panel title={t('aud.search')} className="audit-form">
        <Search key={key} filter={filter} onAgain={list.reload} busy={list.busy} />
      </Panel>
      <Panel
        title={t('nav.audit')}
        className="audit-rows roomy long"
        tools={
          <span className="dim" role="status" data-found={list.busy ? '' : rows.length}>
            {list.busy ? t('app.loading') : `${grouped(String(rows.length))}${list.more ? '+' : ''}`}
          </span>
        }
      >
        <Problem error={list.error} onRetry={list.reload} />
        <Table
          label={t('nav.audit')}
          rows={rows}
          id={(r) => r.number}
          onOpen={setOpen}
          empty={<Waiting of={list} then="aud.nothing" />}
          columns={[
            { key: 't', head: t('common.time'), width: 11, cell: (r) => moment(r.at) },
            {
              key: 'w',
              head: t('aud.who'),
              width: 8,
              cell: (r) => <span title={`#${r.principal}`}>{r.name || NONE}</span>,
            },
            {
              key: 'a',
              head: t('aud.action'),
              width: 10,
              cell: (r) => <span title={name('action', r.action)}>{r.action}</span>,
            },
            {
              key: 'o',
              head: t('aud.outcome'),
              width: 6.5,
              cell: (r) => <Dot tone={toneOf(r.outcome)}>{name('outcome', r.outcome)}</Dot>,
            },
            { key: 'r', head: t('aud.resource'), width: 9, cell: (r) => r.resource || NONE },
            { key: 'd', head: t('aud.detail'), cell: (r) => <span title={r.detail}>{r.detail || NONE}</span> },
            { key: 'x', head: t('aud.address'), width: 8, cell: (r) => r.address || NONE },
            { key: 'n', head: t('aud.times'), width: 4, figure: true, cell: (r) => grouped(String(r.times)) },
          ]}
        />
        <More list={list} />
      </Panel>
      <Dialog
        open={open !== undefined}
        title={`${t('aud.entry')} ${open?.number ?? ''}`}
        onClose={() => setOpen(undefined)}
      >
        {open && <Entry row={open} onGo={() => setOpen(undefined)} />}
      </Dialog>
    </div>
  );
}

function Search({ filter, onAgain, busy }: { filter: AuditFilter; onAgain: () => void; busy: boolean }): ReactNode {
  const { t, name } = usePrefs();
  // Who sees masks cannot search behind them.
  const plain = useCan()('personal.read');
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const told = (field: string): string => String(form.get(field) ?? '').trim();
    const wanted = Object.fromEntries(AUDIT_FIELDS.map((field) => [field, told(field)])) as Record<
      keyof AuditFilter,
      string
    >;
    const to = address(wanted);
    if (to === address(filter)) onAgain();
    else go(to);
  };
  const field = (of: keyof AuditFilter, more: object = {}): ReactNode => (
    <input name={of} defaultValue={filter[of]} maxLength={64} autoComplete="off" spellCheck={false} {...more} />
  );
  return (
    <form className="form" role="search" onSubmit={submit}>
      {plain && (
        <label>
          {t('aud.name')}
          {field('name', { 'data-search': true })}
        </label>
      )}
      <label>
        {t('aud.principal')}
        {field('principal', { inputMode: 'numeric', pattern: '[0-9]{1,9}' })}
      </label>
      <label>
        {t('aud.action')}
        {field('action', { placeholder: 'user.*', list: 'aud-actions' })}
      </label>
      <datalist id="aud-actions">
        {['sign-in', 'step-up', 'user.*', 'role.*', 'review.*', 'factors.*', 'order.*', 'evidence.*'].map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <label>
        {t('aud.outcome')}
        <select name="outcome" defaultValue={filter.outcome}>
          <option value="">{t('common.all')}</option>
          {OUTCOMES.map((one) => (
            <option key={one} value={one}>
              {name('outcome', one)}
            </option>
          ))}
        </select>
      </label>
      <label>
        {t('client.account')}
        {field('account', { inputMode: 'numeric', pattern: '[1-9][0-9]{0,17}' })}
      </label>
      {plain && (
        <label>
          {t('aud.address')}
          {field('address', { maxLength: 45 })}
        </label>
      )}
      <label>
        {t('aud.from')}
        {field('from', { type: 'datetime-local', step: 1 })}
      </label>
      <label>
        {t('aud.to')}
        {field('to', { type: 'datetime-local', step: 1 })}
      </label>
      {plain && (
        <label className="grow">
          {t('aud.text')}
          {field('text', { minLength: 3 })}
        </label>
      )}
      <button type="submit" className="primary" disabled={busy} data-act="search-audit">
        {t('aud.search')}
      </button>
      <button type="button" onClick={() => go('/audit')} data-act="clear-audit">
        {t('aud.clear')}
      </button>
      <p className="prose dim">{t('aud.hint')}</p>
    </form>
  );
}

function Entry({ row, onGo }: { row: AuditRow; onGo: () => void }): ReactNode {
  const { t, name } = usePrefs();
  const can = useCan();
  const { busy, error, run } = useDoing(() => undefined);
  const proven = typeof row.leaf === 'number';
  const meaning = name('action', row.action);
  return (
    <>
      <Facts
        rows={[
          [t('common.time'), moment(row.at, 3)],
          [
            t('aud.outcome'),
            <Dot key="o" tone={toneOf(row.outcome)}>
              {name('outcome', row.outcome)}
            </Dot>,
          ],
          [t('aud.who'), row.name ? `${row.name} (#${row.principal})` : `#${row.principal}`],
          [t('aud.credential'), row.credential || NONE],
          [t('aud.action'), row.action],
          ...(meaning === row.action ? [] : [[t('aud.means'), meaning] as const]),
          [t('aud.resource'), row.resource || NONE],
          [t('aud.address'), row.address || NONE],
          [t('aud.times'), grouped(String(row.times))],
          [
            t('aud.leaf'),
            row.leaf === undefined ? NONE : row.leaf === null ? t('aud.noLeaf') : grouped(String(row.leaf)),
          ],
        ]}
      />
      <pre data-detail tabIndex={0}>
        {row.detail || NONE}
      </pre>
      <Problem error={error} />
      <footer>
        {row.principal !== '0' && (
          <Link className="button" to={`/audit?principal=${row.principal}`} onClickCapture={onGo}>
            {t('aud.ofThem')}
          </Link>
        )}
        {proven && can('audit.read') && (
          <>
            <button
              type="button"
              disabled={busy}
              onClick={() => run(async () => save(await auditProofFile(row.number), `heng-audit-${row.number}.json`))}
              data-act="audit-proof"
            >
              {t('evi.download')}
            </button>
            <Link className="button primary" to={`/evidence/proof?audit=${row.number}`} data-act="audit-verify">
              {t('evi.verify')}
            </Link>
          </>
        )}
      </footer>
    </>
  );
}
