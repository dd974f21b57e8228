// Who can do what, by role, and the policies that say so.

import { useState, type ReactNode } from 'react';

import { policies, type Policy } from '../../access';
import { useLoad } from '../../hooks';
import { Chips } from '../../parts/oversight';
import { Empty, Panel, Problem } from '../../parts/ui';
import { usePrefs } from '../../prefs';

export function Matrix(): ReactNode {
  const { t, name } = usePrefs();
  const found = useLoad(policies, 'policies');
  const [find, setFind] = useState('');
  const known = found.data;
  const wanted = find.toLowerCase();
  const actions = (known?.actions ?? []).filter(
    (action) => action.includes(wanted) || name('action', action).toLowerCase().includes(wanted),
  );
  return (
    <Panel
      title={t('acc.matrix')}
      className="matrix long"
      tools={
        <input
          data-search
          type="search"
          maxLength={64}
          value={find}
          onChange={(e) => setFind(e.target.value)}
          placeholder={t('acc.findAction')}
          aria-label={t('acc.findAction')}
        />
      }
    >
      <p className="prose">{t('acc.matrixHint')}</p>
      <Problem error={found.error} onRetry={found.reload} />
      {known ? (
        <div className="table-wrap" tabIndex={0} role="group" aria-label={t('acc.matrix')}>
          <table aria-label={t('acc.matrix')}>
            <thead>
              <tr>
                <th scope="col">{t('acc.action')}</th>
                {known.roles.map((role) => (
                  <th key={role.name} scope="col" title={role.name}>
                    {name('duty', role.name)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {actions.map((action) => (
                <tr key={action} data-row={action}>
                  <th scope="row">
                    {name('action', action)}
                    <code>{action}</code>
                  </th>
                  {known.roles.map((role) => {
                    const may = role.actions.has(action);
                    return (
                      <td key={role.name} data-role={role.name} className={may ? 'yes' : 'no'}>
                        <span aria-hidden="true">{may ? '✓' : '·'}</span>
                        <span className="sr">{t(may ? 'common.yes' : 'common.no')}</span>
                      </td>
                    );
                  })}
                </tr>
              ))}
            </tbody>
          </table>
          {actions.length === 0 && <Empty />}
        </div>
      ) : (
        found.error === undefined && <Empty>{t('app.loading')}</Empty>
      )}
    </Panel>
  );
}

export function PolicyTexts(): ReactNode {
  const { t } = usePrefs();
  const found = useLoad(policies, 'policies');
  return (
    <Panel title={t('acc.policy')} className="policy-texts">
      <p className="prose">{t('acc.policyHint')}</p>
      <Problem error={found.error} onRetry={found.reload} />
      <div className="policies">
        {(found.data?.policies ?? []).map((policy) => (
          <One key={policy.name} policy={policy} />
        ))}
      </div>
      {!found.data && found.error === undefined && <Empty>{t('app.loading')}</Empty>}
    </Panel>
  );
}

function One({ policy }: { policy: Policy }): ReactNode {
  const { t } = usePrefs();
  return (
    <article className={`policy ${policy.permits ? 'permits' : 'forbids'}`}>
      <h3>
        <span className={policy.permits ? 'good' : 'bad'}>{t(policy.permits ? 'acc.permits' : 'acc.forbids')}</span>{' '}
        <span lang="en">{policy.name}</span>
      </h3>
      <dl>
        <dt>{t('acc.who')}</dt>
        <dd>
          <Flow group="duty" names={policy.who} />
        </dd>
        <dt>{t('acc.what')}</dt>
        <dd>
          <Flow group="action" names={policy.actions} />
        </dd>
        {policy.conditions.length > 0 && (
          <>
            <dt>{t('acc.condition')}</dt>
            <dd lang="en">
              {policy.conditions.map((one) => (
                <code key={one}>{one}</code>
              ))}
            </dd>
          </>
        )}
      </dl>
      <details>
        <summary>{t('acc.policyText')}</summary>
        <pre className="text" tabIndex={0} lang="en">
          {policy.text}
        </pre>
      </details>
    </article>
  );
}

/** Names that take as many lines as they need. */
function Flow({ group, names }: { group: string; names: readonly string[] }): ReactNode {
  if (names.length === 0) return <Chips group={group} names={[]} empty="common.all" />;
  return names.map((one) => <Chips key={one} group={group} names={[one]} />);
}
