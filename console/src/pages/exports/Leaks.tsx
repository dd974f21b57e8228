// From which export a file came: asked by a piece of it, even where its head and foot are gone.

import { useState, type FormEvent, type ReactNode } from 'react';

import { findWatermark, WATERMARK_TEXT_MAX, type Marked } from '../../exports';
import { moment } from '../../format';
import { useDoing } from '../../hooks';
import { useNames } from '../../parts/oversight';
import { Refusal } from '../../parts/StepUp';
import { Empty, Panel, Table } from '../../parts/ui';
import { usePrefs } from '../../prefs';

export function Leaks(): ReactNode {
  const { t, name } = usePrefs();
  const [text, setText] = useState('');
  const [told, setTold] = useState<Marked>();
  const { busy, error, run } = useDoing(() => undefined);
  const found = told?.found ?? [];
  const named = useNames(found.flatMap((one) => [one.export.by, one.export.decidedBy]));
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setTold(undefined);
    run(async () => setTold(await findWatermark(text)));
  };
  return (
    <Panel title={t('exp.leaks')} className="leaks roomy long">
      <p className="prose">{t('exp.leaksHint')}</p>
      <form className="form" onSubmit={submit}>
        <label className="grow">
          {t('exp.piece')}
          <textarea
            name="piece"
            required
            rows={8}
            maxLength={WATERMARK_TEXT_MAX}
            spellCheck={false}
            value={text}
            onChange={(e) => setText(e.target.value)}
          />
        </label>
        <label>
          {t('evi.file')}
          <input
            type="file"
            name="leaked"
            accept=".csv,text/csv,text/plain"
            onChange={(event) => {
              const file = event.target.files?.[0];
              if (file)
                run(async () =>
                  setText(
                    await file
                      .slice(0, 4 * WATERMARK_TEXT_MAX)
                      .text()
                      .then((all) => all.slice(0, WATERMARK_TEXT_MAX)),
                  ),
                );
            }}
          />
        </label>
        <button type="submit" className="primary" disabled={busy || text === ''} data-act="find-leak">
          {t('exp.find')}
        </button>
      </form>
      <Refusal error={error} />
      {told && found.length === 0 && (
        <div role="status" data-leak="none">
          <Empty>{t(told.marks < 50 ? 'exp.tooLittle' : 'exp.noMark')}</Empty>
        </div>
      )}
      {found.length > 0 && (
        <Table
          label={t('exp.leaks')}
          rows={found}
          id={(one) => one.export.id}
          columns={[
            { key: 'n', head: t('exp.export'), width: 5, cell: (one) => one.export.id },
            { key: 'k', head: t('exp.kind'), width: 7, cell: (one) => name('exportkind', one.export.kind) },
            { key: 'b', head: t('acc.askedBy'), width: 9, cell: (one) => named(one.export.by) },
            { key: 't', head: t('common.time'), width: 10, cell: (one) => moment(one.export.at) },
            { key: 'd', head: t('exp.decidedBy'), width: 9, cell: (one) => named(one.export.decidedBy) },
            { key: 'w', head: t('sec.reason'), cell: (one) => one.export.reason },
            { key: 'm', head: t('exp.matches'), width: 7, figure: true, cell: (one) => `${one.matches} / ${one.of}` },
          ]}
        />
      )}
    </Panel>
  );
}
