// Legal holds: what an authority wants kept is not deleted, whatever the retention table says.

import { useState, type FormEvent, type ReactNode } from 'react';

import { holds, placeHold, releaseHold, type Hold } from '../../exports';
import { moment } from '../../format';
import { useDoing, usePages } from '../../hooks';
import { More, useCan, useNames, Waiting } from '../../parts/oversight';
import { Refusal } from '../../parts/StepUp';
import { Dialog, Dot, Panel, Problem, Table } from '../../parts/ui';
import { usePrefs } from '../../prefs';
import { useSession } from '../../session';

export function Holds(): ReactNode {
  const { t } = usePrefs();
  const { me } = useSession();
  const can = useCan();
  const all = usePages(holds, 'holds');
  const [releasing, setReleasing] = useState<Hold>();
  const rows = all.rows ?? [];
  const named = useNames(rows.flatMap((h) => [h.by, h.releasedBy]));
  return (
    <Panel title={t('exp.holds')} className="holds roomy long">
      <p className="prose">{t('exp.holdsHint')}</p>
      {can('hold.write') && <Place then={all.reload} />}
      <Problem error={all.error} onRetry={all.reload} />
      <Table
        label={t('exp.holds')}
        rows={rows}
        id={(h) => h.id}
        empty={<Waiting of={all} />}
        columns={[
          { key: 'n', head: t('acc.number'), width: 5, cell: (h) => h.id },
          { key: 'a', head: t('client.account'), width: 7, cell: (h) => h.account },
          {
            key: 'u',
            head: t('exp.authority'),
            width: 11,
            cell: (h) => <span title={h.authority}>{h.authority}</span>,
          },
          { key: 'w', head: t('sec.reason'), cell: (h) => <span title={h.reason}>{h.reason}</span> },
          { key: 'b', head: t('exp.placedBy'), width: 9, cell: (h) => <span title={moment(h.at)}>{named(h.by)}</span> },
          {
            key: 's',
            head: t('sec.state'),
            width: 7,
            cell: (h) => (
              <span data-hold={h.state} title={h.releaseReason}>
                <Dot tone={h.state === 'held' ? 'warn' : 'idle'}>
                  {t(h.state === 'held' ? 'exp.held' : 'exp.released')}
                </Dot>
              </span>
            ),
          },
          {
            key: 'd',
            head: t('acc.decision'),
            width: 10,
            cell: (h) =>
              h.state !== 'held' ? (
                <span title={moment(h.releasedAt)}>{named(h.releasedBy)}</span>
              ) : h.by === me.id ? (
                <span className="dim">{t('acc.another')}</span>
              ) : can('hold.write') ? (
                <button type="button" onClick={() => setReleasing(h)} data-act="release-hold">
                  {t('exp.release')}
                </button>
              ) : null,
          },
        ]}
      />
      <More list={all} />
      <Release
        hold={releasing}
        onClose={() => setReleasing(undefined)}
        onReleased={() => {
          setReleasing(undefined);
          all.reload();
        }}
      />
    </Panel>
  );
}

function Place({ then }: { then: () => void }): ReactNode {
  const { t } = usePrefs();
  const { busy, error, run } = useDoing(then);
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    const data = new FormData(form);
    const told = (name: string): string => String(data.get(name) ?? '').trim();
    run(async () => {
      await placeHold(told('account'), told('reason'), told('authority'));
      form.reset();
    });
  };
  return (
    <>
      <form className="form" onSubmit={submit}>
        <label>
          {t('client.account')}
          <input name="account" required inputMode="numeric" pattern="[1-9][0-9]{0,17}" maxLength={18} />
        </label>
        <label>
          {t('exp.authority')}
          <input name="authority" required maxLength={128} />
        </label>
        <label className="grow">
          {t('sec.reason')}
          <input name="reason" required maxLength={256} />
        </label>
        <button type="submit" disabled={busy} data-act="place-hold">
          {t('exp.place')}
        </button>
      </form>
      <Refusal error={error} />
    </>
  );
}

function Release({
  hold,
  onClose,
  onReleased,
}: {
  hold: Hold | undefined;
  onClose: () => void;
  onReleased: () => void;
}): ReactNode {
  const { t } = usePrefs();
  const { busy, error, run } = useDoing(onReleased);
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const reason = String(new FormData(event.currentTarget).get('release-reason') ?? '').trim();
    if (hold) run(() => releaseHold(hold.id, reason));
  };
  return (
    <Dialog open={hold !== undefined} title={`${t('exp.release')} ${hold?.id ?? ''}`} onClose={onClose}>
      <form className="step-up" onSubmit={submit}>
        <p>
          {t('client.account')} {hold?.account} · {hold?.authority}
        </p>
        <label>
          {t('sec.reason')}
          <input name="release-reason" data-focus required maxLength={256} />
        </label>
        <Refusal error={error} />
        <footer>
          <button type="button" className="ghost" onClick={onClose}>
            {t('common.cancel')}
          </button>
          <button type="submit" className="primary" disabled={busy} data-act="send-release">
            {t('exp.release')}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
