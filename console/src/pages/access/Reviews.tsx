// Access reviews: every so often somebody looks at who may come in, and confirms each or shuts them out.

import { useState, type FormEvent, type ReactNode } from 'react';

import { beginReview, decideAccess, reviews, wholeReview, type Review, type ReviewItem } from '../../access';
import { moment } from '../../format';
import { useDoing, useLoad } from '../../hooks';
import { Accounts, Chips, useCan, useNames, Waiting } from '../../parts/oversight';
import { Refusal } from '../../parts/StepUp';
import { Dot, Empty, Panel, Problem, Table } from '../../parts/ui';
import { usePrefs } from '../../prefs';
import { go } from '../../router';
import { useSession } from '../../session';
import type { Word } from '../../words';

/** Days without use after which somebody who may come in is worth a question. */
const IDLE_DAYS = 90;
const idle = (used: string | undefined): boolean =>
  used === undefined || Date.now() - Date.parse(used) > IDLE_DAYS * 86_400_000;

export function Reviews({ id }: { id: string }): ReactNode {
  const { t } = usePrefs();
  const can = useCan();
  const all = useLoad(reviews, 'reviews', 30_000);
  const { busy, error, run } = useDoing(all.reload);
  const rows = all.data?.rows ?? [];
  const named = useNames(rows.map((r) => r.by));
  const chosen = rows.find((r) => r.id === id) ?? rows[0];
  const begin = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const days = Number(new FormData(event.currentTarget).get('days'));
    run(async () => {
      const made = await beginReview(days);
      go(`/access/reviews/${String(made['id'])}`);
    });
  };
  return (
    <>
      <Panel title={t('acc.reviews')} className="reviews">
        {can('review.write') && (
          <form className="filters" onSubmit={begin}>
            <label>
              {t('acc.dueDays')}
              <input name="days" type="number" min={1} max={366} required defaultValue={14} />
            </label>
            <button type="submit" disabled={busy} data-act="begin-review">
              {t('sec.beginReview')}
            </button>
          </form>
        )}
        <Refusal error={error} />
        <Problem error={all.error} onRetry={all.reload} />
        <Table
          label={t('acc.reviews')}
          rows={rows}
          id={(r) => r.id}
          selected={chosen?.id}
          onOpen={(r) => go(`/access/reviews/${r.id}`)}
          empty={<Waiting of={all} then="sec.noReview" />}
          columns={[
            { key: 'n', head: t('acc.number'), width: 5, cell: (r) => r.id },
            { key: 'b', head: t('acc.begunBy'), spare: true, cell: (r) => named(r.by) },
            { key: 'w', head: t('acc.begun'), width: 10, spare: true, cell: (r) => moment(r.begun) },
            { key: 'd', head: t('acc.due'), width: 10, cell: (r) => moment(r.due) },
            { key: 'o', head: t('sec.open'), width: 4, figure: true, cell: (r) => r.open },
            { key: 's', head: t('sec.state'), width: 8, cell: (r) => <ReviewState of={r} /> },
          ]}
        />
      </Panel>
      {chosen && <Items key={chosen.id} review={chosen} then={all.reload} />}
    </>
  );
}

function ReviewState({ of }: { of: Review }): ReactNode {
  const { t } = usePrefs();
  const [tone, word]: ['bad' | 'warn' | 'good', Word] = of.overdue
    ? ['bad', 'acc.overdue']
    : of.open > 0
      ? ['warn', 'acc.underWay']
      : ['good', 'acc.finished'];
  return (
    <span data-review={of.overdue ? 'overdue' : of.open > 0 ? 'open' : 'done'}>
      <Dot tone={tone}>{t(word)}</Dot>
    </span>
  );
}

function Items({ review, then }: { review: Review; then: () => void }): ReactNode {
  const { t, name } = usePrefs();
  const { me } = useSession();
  const can = useCan();
  const [open, setOpen] = useState(false);
  const items = useLoad((signal) => wholeReview(review.id, signal), `review|${review.id}`);
  const { busy, error, run } = useDoing(() => {
    items.reload();
    then();
  });
  const rows = (items.data ?? []).filter((i) => !open || i.state === 'open');
  const named = useNames((items.data ?? []).map((i) => i.decidedBy));
  const word = (state: string): Word =>
    state === 'confirmed' ? 'sec.confirmed' : state === 'revoked' ? 'sec.revoked' : 'sec.open';
  const decide = (item: ReviewItem): ReactNode =>
    item.state !== 'open' ? (
      <span title={moment(item.decidedAt)}>{named(item.decidedBy)}</span>
    ) : item.user === me.id ? (
      <span className="dim">{t('acc.another')}</span>
    ) : can('review.write') ? (
      <>
        <button
          type="button"
          disabled={busy}
          onClick={() => run(() => decideAccess(review.id, item.user, 'confirm'))}
          data-act="confirm-access"
        >
          {t('common.confirm')}
        </button>{' '}
        <button
          type="button"
          disabled={busy}
          onClick={() => run(() => decideAccess(review.id, item.user, 'revoke'))}
          data-act="revoke-access"
        >
          {t('acc.shutOut')}
        </button>
      </>
    ) : null;
  return (
    <Panel
      title={`${t('acc.review')} ${review.id}`}
      className="review-items roomy long"
      tools={
        <label className="inline check">
          <input type="checkbox" checked={open} onChange={(e) => setOpen(e.target.checked)} />
          {t('acc.onlyOpen')}
        </label>
      }
    >
      <Refusal error={error} />
      <Problem error={items.error} onRetry={items.reload} />
      {items.data && items.data.length > 0 && rows.length === 0 ? (
        <Empty>{t('acc.allDecided')}</Empty>
      ) : (
        <Table
          label={`${t('acc.review')} ${review.id}`}
          rows={rows}
          id={(i) => i.user}
          empty={<Waiting of={items} />}
          columns={[
            { key: 'n', head: t('sec.user'), width: 12, cell: (i) => <span title={`#${i.user}`}>{i.name}</span> },
            { key: 'k', head: t('acc.kind'), width: 5.5, cell: (i) => name('person', i.kind) },
            { key: 'r', head: t('sec.roles'), cell: (i) => <Chips group="duty" names={i.roles} /> },
            { key: 'a', head: t('acc.accounts'), width: 6, cell: (i) => <Accounts of={i.accounts} /> },
            {
              key: 'u',
              head: t('sec.used'),
              width: 11,
              cell: (i) =>
                idle(i.used) ? <Dot tone="warn">{i.used ? moment(i.used) : t('acc.notKnown')}</Dot> : moment(i.used),
            },
            { key: 's', head: t('sec.state'), width: 6, cell: (i) => t(word(i.state)) },
            { key: 'd', head: t('acc.decision'), width: 11, cell: decide },
          ]}
        />
      )}
    </Panel>
  );
}
