// Exports: asked for with a reason, approved by another person, downloaded by the one who asked.

import { useEffect, useState, type FormEvent, type ReactNode } from 'react';

import {
  askExport,
  decideExport,
  EXPORT_KINDS,
  exportFile,
  KIND_ACTION,
  KIND_FILTERS,
  listExports,
  type Export,
  type ExportKind,
} from '../../exports';
import { grouped, moment, NONE } from '../../format';
import { useDoing, usePages } from '../../hooks';
import { Hash, More, save, useCan, useNames, Waiting } from '../../parts/oversight';
import { Refusal } from '../../parts/StepUp';
import { Dialog, Dot, Facts, Panel, Problem, Table } from '../../parts/ui';
import { usePrefs } from '../../prefs';
import { useSession } from '../../session';

const TONE = {
  requested: 'warn',
  running: 'warn',
  ready: 'good',
  refused: 'idle',
  failed: 'bad',
  ended: 'idle',
} as const;
/** How often an export under way is looked at. */
const LOOK_MS = 2_000;

export function Files(): ReactNode {
  const { t } = usePrefs();
  const can = useCan();
  const all = usePages(listExports, 'exports');
  const [open, setOpen] = useState<string>();
  const rows = all.rows ?? [];
  const named = useNames(rows.flatMap((e) => [e.by, e.decidedBy]));
  const running = rows.some((e) => e.state === 'running');
  const { reload, busy } = all;
  useEffect(() => {
    if (!running || busy) return;
    const timer = setTimeout(reload, LOOK_MS);
    return () => clearTimeout(timer);
  });
  const chosen = rows.find((e) => e.id === open);
  return (
    <>
      {can('export.request') && <Ask then={all.reload} />}
      <Panel title={t('exp.files')} className="export-list roomy long">
        <Problem error={all.error} onRetry={all.reload} />
        <Table
          label={t('exp.files')}
          rows={rows}
          id={(e) => e.id}
          onOpen={(e) => setOpen(e.id)}
          empty={<Waiting of={all} />}
          columns={[
            { key: 'n', head: t('acc.number'), width: 5, cell: (e) => e.id },
            { key: 'k', head: t('exp.kind'), width: 6, cell: (e) => <Kind of={e.kind} /> },
            { key: 'm', head: t('exp.data'), width: 6.5, cell: (e) => <Masked of={e} /> },
            { key: 'w', head: t('sec.reason'), cell: (e) => <span title={e.reason}>{e.reason}</span> },
            {
              key: 'b',
              head: t('acc.askedBy'),
              width: 8,
              cell: (e) => <span title={moment(e.at)}>{named(e.by)}</span>,
            },
            { key: 's', head: t('sec.state'), width: 9, cell: (e) => <State of={e} /> },
            { key: 'e', head: t('exp.until'), width: 10, cell: (e) => (e.state === 'ready' ? moment(e.ends) : NONE) },
          ]}
        />
        <More list={all} />
      </Panel>
      <Dialog open={chosen !== undefined} title={`${t('exp.export')} ${open ?? ''}`} onClose={() => setOpen(undefined)}>
        {chosen && <One of={chosen} named={named} then={all.reload} />}
      </Dialog>
    </>
  );
}

const Kind = ({ of }: { of: string }): ReactNode => usePrefs().name('exportkind', of);

function Masked({ of }: { of: Export }): ReactNode {
  const { t } = usePrefs();
  return <span className={of.masked ? undefined : 'warn'}>{t(of.masked ? 'exp.masked' : 'exp.plain')}</span>;
}

function State({ of }: { of: Export }): ReactNode {
  const { name } = usePrefs();
  const share = of.state === 'running' && of.progress !== undefined ? ` ${of.progress} %` : '';
  return (
    <span data-export={of.state}>
      <Dot tone={TONE[of.state as keyof typeof TONE] ?? 'idle'}>
        {name('export', of.state)}
        {share}
      </Dot>
    </span>
  );
}

function Ask({ then }: { then: () => void }): ReactNode {
  const { t, name } = usePrefs();
  const can = useCan();
  const kinds = EXPORT_KINDS.filter((kind) => can(KIND_ACTION[kind]));
  const [kind, setKind] = useState<ExportKind | undefined>(kinds[0]);
  const { busy, error, run } = useDoing(then);
  if (!kind) return null;
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    const data = new FormData(form);
    const told = (field: string): string => String(data.get(field) ?? '').trim();
    const filter = Object.fromEntries(
      KIND_FILTERS[kind].map((field) => [field, told(field)]).filter(([, value]) => value !== ''),
    ) as Record<string, string>;
    const wanted = {
      kind,
      filter,
      reason: told('reason'),
      masked: data.get('plain') === null,
      bom: data.get('bom') !== null,
    };
    run(async () => {
      await askExport(wanted);
      form.reset();
    });
  };
  const fields = KIND_FILTERS[kind];
  const id = { inputMode: 'numeric', pattern: '[1-9][0-9]{0,17}', maxLength: 18 } as const;
  return (
    <Panel title={t('exp.ask')} className="ask-export">
      <p className="prose">{t('exp.askHint')}</p>
      <form className="form" onSubmit={submit}>
        <label>
          {t('exp.kind')}
          <select name="kind" value={kind} onChange={(e) => setKind(e.target.value as ExportKind)}>
            {kinds.map((one) => (
              <option key={one} value={one}>
                {name('exportkind', one)}
              </option>
            ))}
          </select>
        </label>
        {fields.includes('from') && (
          <>
            <label>
              {t('aud.from')}
              <input name="from" type="date" />
            </label>
            <label>
              {t('aud.to')}
              <input name="to" type="date" />
            </label>
          </>
        )}
        {fields.includes('account') && (
          <label>
            {t('client.account')}
            <input name="account" {...id} />
          </label>
        )}
        {fields.includes('principal') && (
          <label>
            {t('aud.principal')}
            <input name="principal" {...id} />
          </label>
        )}
        {fields.includes('action') && (
          <label>
            {t('aud.action')}
            <input name="action" maxLength={64} placeholder="user.*" />
          </label>
        )}
        <label className="grow">
          {t('sec.reason')}
          <input name="reason" required maxLength={256} />
        </label>
        {can('personal.read') && (
          <label className="box">
            <input type="checkbox" name="plain" value="yes" />
            {t('exp.wantPlain')}
          </label>
        )}
        <label className="box">
          <input type="checkbox" name="bom" value="yes" />
          {t('exp.bom')}
        </label>
        <button type="submit" className="primary" disabled={busy} data-act="ask-export">
          {t('exp.send')}
        </button>
      </form>
      <Refusal error={error} />
    </Panel>
  );
}

function One({
  of,
  named,
  then,
}: {
  of: Export;
  named: (id: string | undefined) => string;
  then: () => void;
}): ReactNode {
  const { t } = usePrefs();
  const { me } = useSession();
  const can = useCan();
  const { busy, error, run } = useDoing(then);
  const own = of.by === me.id;
  const waits = of.state === 'requested';
  const decides = waits && !own && can('export.decide') && (of.masked || can('export.reveal'));
  return (
    <>
      <Facts
        rows={[
          [t('exp.kind'), <Kind key="k" of={of.kind} />],
          [t('sec.state'), <State key="s" of={of} />],
          [t('exp.data'), <Masked key="m" of={of} />],
          [t('acc.askedBy'), `${named(of.by)} ${moment(of.at)}`],
          [t('exp.decidedBy'), of.decidedBy ? `${named(of.decidedBy)} ${moment(of.decidedAt)}` : NONE],
          [t('exp.filter'), of.filter.map(([name, value]) => `${name} ${value}`).join(', ') || t('common.all')],
          [t('exp.rows'), grouped(String(of.rows ?? ''))],
          [t('exp.bytes'), grouped(String(of.bytes ?? ''))],
          [t('exp.until'), moment(of.ends)],
        ]}
      />
      <pre data-reason tabIndex={0}>
        {of.reason}
      </pre>
      {of.sha256 && (
        <dl className="facts broad">
          <div>
            <dt>SHA-256</dt>
            <dd>
              <Hash of={of.sha256} />
            </dd>
          </div>
          <div>
            <dt>SM3</dt>
            <dd>
              <Hash of={of.sm3} />
            </dd>
          </div>
        </dl>
      )}
      {of.trouble && <p className="bad">{of.trouble}</p>}
      {waits && !decides && <p className="dim">{t(own ? 'acc.another' : 'exp.notYours')}</p>}
      <Refusal error={error} />
      <footer>
        {decides && (
          <>
            <button
              type="button"
              disabled={busy}
              onClick={() => run(() => decideExport(of.id, 'refuse'))}
              data-act="refuse-export"
            >
              {t('sec.decline')}
            </button>
            <button
              type="button"
              className="primary"
              disabled={busy}
              onClick={() => run(() => decideExport(of.id, 'approve'))}
              data-act="approve-export"
            >
              {t('sec.approve')}
            </button>
          </>
        )}
        {of.state === 'ready' && own && (
          <button
            type="button"
            className="primary"
            disabled={busy}
            onClick={() => run(async () => save(await exportFile(of.id), `heng-${of.kind}-${of.id}.csv`))}
            data-act="download-export"
          >
            {t('evi.download')}
          </button>
        )}
      </footer>
    </>
  );
}
