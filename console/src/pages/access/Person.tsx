// One user or partner: what they have, where they are signed in, and what may be done about it.

import { useState, type FormEvent, type ReactNode } from 'react';

import {
  endSessionsOf,
  keysOf,
  letIn,
  partner,
  policies,
  proposeRoles,
  resetFactors,
  sessionsOf,
  shutOut,
  user,
  type Person,
} from '../../access';
import { moment } from '../../format';
import { useDoing, useLoad } from '../../hooks';
import { Accounts, Chips, useCan, Waiting } from '../../parts/oversight';
import { Refusal } from '../../parts/StepUp';
import { Dialog, Dot, Empty, Facts, Panel, Problem, Table } from '../../parts/ui';
import { usePrefs } from '../../prefs';
import { Link } from '../../router';
import { endDevice, revokeApiKey } from '../../security';
import { useSession } from '../../session';
import { stateOf } from './People';

export function OnePerson({ id, partner: isPartner }: { id: string; partner: boolean }): ReactNode {
  const { t } = usePrefs();
  const found = useLoad((signal) => (isPartner ? partner(id, signal) : user(id, signal)), `person|${id}`);
  const who = found.data;
  if (!who)
    return (
      <Panel title={`#${id}`}>
        <Problem error={found.error} onRetry={found.reload} />
        {found.error === undefined && <Empty>{t('app.loading')}</Empty>}
      </Panel>
    );
  return (
    <div className="page two oversight person" style={{ padding: 0 }}>
      <About who={who} reload={found.reload} />
      <Sessions who={who} />
      <Keys who={who} />
    </div>
  );
}

function About({ who, reload }: { who: Person; reload: () => void }): ReactNode {
  const { t, name } = usePrefs();
  const { me } = useSession();
  const can = useCan();
  const [asking, setAsking] = useState(false);
  const [asked, setAsked] = useState(false);
  const { busy, error, run } = useDoing(reload);
  const partner = who.kind === 'partner';
  const own = who.id === me.id;
  const writes = can(partner ? 'partner.write' : 'user.write') && !own;
  return (
    <Panel
      title={who.name}
      className="across about"
      tools={
        <>
          {!partner && can('role.propose') && (
            <button type="button" onClick={() => setAsking(true)} data-act="ask-roles">
              {t('acc.askRoles')}
            </button>
          )}
          {writes && !partner && (
            <button
              type="button"
              disabled={busy}
              onClick={() => run(() => resetFactors(who.id))}
              data-act="reset-factors"
            >
              {t('acc.resetFactors')}
            </button>
          )}
          {writes && !who.disabled && (
            <button type="button" disabled={busy} onClick={() => run(() => shutOut(who))} data-act="shut-out">
              {t('acc.shutOut')}
            </button>
          )}
          {writes && who.disabled && !partner && (
            <button type="button" disabled={busy} onClick={() => run(() => letIn(who.id))} data-act="let-in">
              {t('acc.letIn')}
            </button>
          )}
        </>
      }
    >
      <Refusal error={error} />
      {asked && (
        <p className="prose" role="status" data-asked>
          {t('acc.askedFor')} <Link to="/access/changes">{t('acc.changes')}</Link>
        </p>
      )}
      <Facts
        rows={[
          [t('acc.number'), who.id],
          [t('acc.kind'), name('person', who.kind)],
          [
            t('sec.state'),
            <Dot key="s" tone={who.disabled ? 'bad' : 'good'}>
              {t(`acc.${stateOf(who)}`)}
            </Dot>,
          ],
          [t('sec.roles'), <Chips key="r" group="duty" names={who.roles} />],
          [t('acc.accounts'), <Accounts key="a" of={who.accounts} />],
          partner
            ? [t('sec.scopes'), <Chips key="c" group="action" names={who.scopes} empty="common.all" />]
            : [t('sec.totp'), who.totp === undefined ? '–' : t(who.totp ? 'common.yes' : 'common.no')],
          [t('sec.made'), moment(who.created)],
          ...(partner ? [] : [[t('acc.changed'), moment(who.changed)] as const]),
        ]}
      />
      {own && <p className="prose">{t('acc.own')}</p>}
      <AskRoles
        who={who}
        open={asking}
        onClose={() => setAsking(false)}
        onAsked={() => {
          setAsking(false);
          setAsked(true);
        }}
      />
    </Panel>
  );
}

function AskRoles({
  who,
  open,
  onClose,
  onAsked,
}: {
  who: Person;
  open: boolean;
  onClose: () => void;
  onAsked: () => void;
}): ReactNode {
  const { t, name } = usePrefs();
  const known = useLoad((signal) => (open ? policies(signal) : Promise.resolve(undefined)), `roles|${open}`);
  const { busy, error, run } = useDoing(onAsked);
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const accounts = String(form.get('accounts') ?? '')
      .split(/[\s,，、]+/)
      .filter(Boolean);
    const reason = String(form.get('reason') ?? '').trim();
    run(() => proposeRoles({ user: who.id, roles: form.getAll('role').map(String), accounts, reason }));
  };
  return (
    <Dialog open={open} title={`${t('acc.askRoles')}: ${who.name}`} onClose={onClose}>
      <form className="step-up" onSubmit={submit}>
        <p>{t('acc.askHint')}</p>
        <fieldset>
          <legend>{t('sec.roles')}</legend>
          <div className="checks-list">
            {(known.data?.roles ?? [])
              .filter((role) => role.kind === who.kind)
              .map((role) => (
                <label key={role.name} className="box">
                  <input type="checkbox" name="role" value={role.name} defaultChecked={who.roles.includes(role.name)} />
                  {name('duty', role.name)}
                </label>
              ))}
          </div>
        </fieldset>
        <label>
          {t('acc.accountsHint')}
          <input name="accounts" maxLength={4_000} pattern="[0-9,，、 ]*|\*" defaultValue={who.accounts.join(' ')} />
        </label>
        <label>
          {t('sec.reason')}
          <input name="reason" data-focus required maxLength={256} />
        </label>
        <Refusal error={error ?? known.error} />
        <footer>
          <button type="button" className="ghost" onClick={onClose}>
            {t('common.cancel')}
          </button>
          <button type="submit" className="primary" disabled={busy || !known.data} data-act="send-roles">
            {t('acc.ask')}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function Sessions({ who }: { who: Person }): ReactNode {
  const { t, name } = usePrefs();
  const { me } = useSession();
  const can = useCan();
  const all = useLoad((signal) => sessionsOf(who.id, signal), `sessions|${who.id}`, 15_000);
  const { busy, error, run } = useDoing(all.reload);
  const writes = can('user.write') && who.id !== me.id;
  return (
    <Panel
      title={t('acc.sessions')}
      className="person-sessions"
      tools={
        writes &&
        who.kind !== 'partner' && (
          <button type="button" disabled={busy} onClick={() => run(() => endSessionsOf(who.id))} data-act="end-all">
            {t('acc.endAll')}
          </button>
        )
      }
    >
      <Refusal error={error ?? all.error} />
      <Table
        label={t('acc.sessions')}
        rows={all.data ?? []}
        id={(s) => s.id}
        empty={<Waiting of={all} />}
        columns={[
          {
            key: 'd',
            head: t('sec.device'),
            cell: (s) => (
              <>
                {s.device || name('session', s.kind)} {s.current && <Dot tone="good">{t('sec.this')}</Dot>}
              </>
            ),
          },
          { key: 'm', head: t('sec.means'), width: 6, spare: true, cell: (s) => name('means', s.means) },
          {
            key: 'p',
            head: t('sec.place'),
            width: 8,
            spare: true,
            cell: (s) => <span title={s.address}>{name('place', s.place)}</span>,
          },
          { key: 'u', head: t('sec.used'), width: 10, cell: (s) => moment(s.used) },
          {
            key: 'a',
            head: '',
            width: 5.5,
            cell: (s) =>
              writes ? (
                <button type="button" disabled={busy} onClick={() => run(() => endDevice(s.id))} data-act="end-session">
                  {t('sec.end')}
                </button>
              ) : null,
          },
        ]}
      />
    </Panel>
  );
}

function Keys({ who }: { who: Person }): ReactNode {
  const { t } = usePrefs();
  const can = useCan();
  const all = useLoad((signal) => keysOf(who.id, signal), `keys|${who.id}`);
  const { busy, error, run } = useDoing(all.reload);
  return (
    <Panel title={t('sec.keys')} className="person-keys">
      <Refusal error={error ?? all.error} />
      <Table
        label={t('sec.keys')}
        rows={all.data ?? []}
        id={(k) => k.id}
        empty={<Waiting of={all} />}
        columns={[
          { key: 'n', head: t('sec.name'), cell: (k) => <span title={k.id}>{k.name}</span> },
          {
            key: 's',
            head: t('sec.scopes'),
            spare: true,
            cell: (k) => <Chips group="action" names={k.scopes} empty="common.all" />,
          },
          {
            key: 'w',
            head: t('acc.from'),
            width: 7,
            spare: true,
            cell: (k) => k.networks.join(' ') || t('acc.anywhere'),
          },
          {
            key: 'e',
            head: t('sec.expires'),
            width: 10,
            cell: (k) => (k.expires ? moment(k.expires) : t('acc.never')),
          },
          {
            key: 'a',
            head: '',
            width: 5.5,
            cell: (k) =>
              can('user.write') ? (
                <button type="button" disabled={busy} onClick={() => run(() => revokeApiKey(k.id))} data-act="end-key">
                  {t('sec.revoke')}
                </button>
              ) : null,
          },
        ]}
      />
    </Panel>
  );
}
