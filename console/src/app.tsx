// The frame around every page: who is signed in, where to go, and the settings.

import {
  Component,
  lazy,
  Suspense,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
  type ErrorInfo,
  type LazyExoticComponent,
  type ReactNode,
} from 'react';

import { instruments, me as askMe, signOut, ApiError, SIGNED_OUT, type Me } from './api';
import { clock } from './format';
import { useKeys, useLoad, useStreamState } from './hooks';
import { StepUpDialog } from './parts/StepUp';
import { Dialog, Dot, Empty, Problem } from './parts/ui';
import { usePrefs } from './prefs';
import { maySession, noteSession } from './remembered';
import { go, Link, usePath } from './router';
import { isStaff, pagesOf, pageWord, SessionContext, type PageName, type Session } from './session';
import { SignIn } from './pages/SignIn';
import { marketStream } from './stream';
import { tickets } from './tickets';
import type { Word } from './words';

const LOAD: Record<PageName, () => Promise<{ default: () => ReactNode }>> = {
  dashboard: () => import('./pages/Dashboard'),
  market: () => import('./pages/Market'),
  trading: () => import('./pages/Trading'),
  orders: () => import('./pages/Orders'),
  clients: () => import('./pages/Clients'),
  access: () => import('./pages/Access'),
  audit: () => import('./pages/Audit'),
  evidence: () => import('./pages/Evidence'),
  exports: () => import('./pages/Exports'),
  keys: () => import('./pages/Keys'),
  system: () => import('./pages/System'),
  security: () => import('./pages/Security'),
};
// The page that the address names comes at the same time as the answer to who is signed in.
const asked = location.pathname.split('/')[1] ?? '';
if (asked in LOAD) void LOAD[asked as PageName]().catch(() => undefined);

const PAGES: Record<PageName, { key: string; show: LazyExoticComponent<() => ReactNode> }> = {
  dashboard: { key: 'd', show: lazy(LOAD.dashboard) },
  market: { key: 'm', show: lazy(LOAD.market) },
  trading: { key: 't', show: lazy(LOAD.trading) },
  orders: { key: 'o', show: lazy(LOAD.orders) },
  clients: { key: 'c', show: lazy(LOAD.clients) },
  access: { key: 'a', show: lazy(LOAD.access) },
  audit: { key: 'u', show: lazy(LOAD.audit) },
  evidence: { key: 'e', show: lazy(LOAD.evidence) },
  exports: { key: 'x', show: lazy(LOAD.exports) },
  keys: { key: 'y', show: lazy(LOAD.keys) },
  system: { key: 's', show: lazy(LOAD.system) },
  security: { key: 'k', show: lazy(LOAD.security) },
};

type Who =
  | { state: 'asking' }
  | { state: 'leaving' }
  | { state: 'nobody'; ended: boolean }
  | { state: 'here'; me: Me }
  | { state: 'failed'; error: unknown };

export function App(): ReactNode {
  const { t } = usePrefs();
  const [who, setWho] = useState<Who>(() => (maySession() ? { state: 'asking' } : { state: 'nobody', ended: false }));

  const ask = useCallback(() => {
    askMe().then(
      (me) => setWho({ state: 'here', me }),
      (error: unknown) =>
        setWho(
          error instanceof ApiError && [401, 403].includes(error.status)
            ? { state: 'nobody', ended: false }
            : { state: 'failed', error },
        ),
    );
  }, []);
  useEffect(() => {
    if (maySession()) ask();
  }, [ask]);
  useEffect(() => {
    if (who.state === 'here') noteSession(true);
    if (who.state === 'nobody') {
      noteSession(false);
      // Whose session ran out comes back to what they left; whoever signs out leaves nothing.
      if (!who.ended) tickets.end();
    }
  }, [who]);
  useEffect(() => {
    const ended = (): void => {
      marketStream.stop();
      setWho((old) => (old.state === 'nobody' ? old : { state: 'nobody', ended: old.state === 'here' }));
    };
    window.addEventListener(SIGNED_OUT, ended);
    return () => window.removeEventListener(SIGNED_OUT, ended);
  }, []);
  // The page is gone by now and its requests with it, so that none of them meets a session that has ended.
  useEffect(() => {
    if (who.state !== 'leaving') return;
    marketStream.stop();
    signOut().then(
      () => {
        go('/', { replace: true });
        setWho({ state: 'nobody', ended: false });
      },
      (error: unknown) =>
        setWho(
          error instanceof ApiError && error.status === 401
            ? { state: 'nobody', ended: false }
            : { state: 'failed', error },
        ),
    );
  }, [who.state]);
  // Until the server answers again, ask.
  useEffect(() => {
    if (who.state !== 'failed') return;
    const timer = setTimeout(ask, 2_000);
    return () => clearTimeout(timer);
  }, [who, ask]);

  if (who.state === 'asking' || who.state === 'leaving')
    return (
      <div className="splash" role="status">
        {t('app.loading')}
      </div>
    );
  if (who.state === 'failed')
    return (
      <div className="splash">
        <Problem error={who.error} onRetry={ask} />
      </div>
    );
  if (who.state === 'nobody') return <SignIn ended={who.ended} onSignedIn={(me) => setWho({ state: 'here', me })} />;
  return <Shell me={who.me} onLeave={() => setWho({ state: 'leaving' })} />;
}

function Shell({ me, onLeave }: { me: Me; onLeave: () => void }): ReactNode {
  const { t, lang, theme, setLang, setTheme } = usePrefs();
  const staff = isStaff(me);
  const pages = useMemo(() => pagesOf(me), [me]);
  const listing = useLoad(instruments, 'instruments', 60_000);
  const [help, setHelp] = useState(false);
  const path = usePath();
  const here = path.split('/')[1] ?? '';
  const page = pages.find((p) => p === here);
  const main = useRef<HTMLElement>(null);

  useEffect(() => {
    if (here === '' && pages[0]) go(`/${pages[0]}`, { replace: true });
  }, [here, pages]);
  useEffect(() => {
    document.title = page ? `${t(pageWord(page, staff))} · Heng 衡` : 'Heng 衡';
  }, [page, staff, t]);
  // Where the window is narrow, the pages' names are scrolled; the one that is open is in sight.
  useEffect(() => {
    const show = (): void =>
      document.querySelector('.bar nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    show();
    window.addEventListener('resize', show);
    return () => window.removeEventListener('resize', show);
  }, [page, lang]);

  useKeys({
    ...Object.fromEntries(
      pages.map((p) => [
        `g ${PAGES[p].key}`,
        () => {
          go(`/${p}`);
          main.current?.focus();
        },
      ]),
    ),
    '/': () => {
      const field = document.querySelector<HTMLElement>('[data-search]');
      if (field) field.focus();
      else go('/market?find=1');
    },
    '?': () => setHelp(true),
    D: () => setTheme(theme === 'dark' ? 'light' : 'dark'),
    L: () => setLang(lang === 'zh' ? 'en' : 'zh'),
  });

  const session = useMemo<Session>(
    () => ({ me, staff, pages, listing: listing.data, reloadListing: listing.reload }),
    [me, staff, pages, listing.data, listing.reload],
  );
  const Show = page ? PAGES[page].show : undefined;
  return (
    <SessionContext value={session}>
      <a
        className="skip"
        href="#main"
        onClick={(e) => {
          e.preventDefault();
          main.current?.focus();
        }}
      >
        {t('app.skip')}
      </a>
      <header className="bar">
        <Link to={`/${pages[0] ?? ''}`} className="brand" aria-label="Heng 衡">
          <img src="/heng.svg" alt="" width="22" height="22" />
          <span>Heng 衡</span>
        </Link>
        <nav aria-label={t('nav.label')}>
          {pages.map((p) => (
            <Link key={p} to={`/${p}`} aria-current={p === page ? 'page' : undefined} title={`g ${PAGES[p].key}`}>
              {t(pageWord(p, staff))}
            </Link>
          ))}
        </nav>
        <Settings me={me} onHelp={() => setHelp(true)} onLeave={onLeave} />
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <Guard key={path.split('/')[1]}>
          <Suspense
            fallback={
              <div className="splash" role="status">
                {t('app.loading')}
              </div>
            }
          >
            {Show ? (
              <Show />
            ) : pages.length === 0 ? (
              <Empty>{t('app.nothing')}</Empty>
            ) : here === '' ? null : (
              <Empty>{t('app.notFound')}</Empty>
            )}
          </Suspense>
        </Guard>
      </main>
      <StepUpDialog />
      <Help open={help} onClose={() => setHelp(false)} pages={pages} staff={staff} />
    </SessionContext>
  );
}

function LinkState(): ReactNode {
  const { t } = usePrefs();
  const { link } = useStreamState();
  if (link === 'off') return null;
  const [tone, word]: ['good' | 'warn', Word] =
    link === 'live' ? ['good', 'common.live'] : ['warn', 'common.connecting'];
  return (
    <span className="link-state" role="status">
      <Dot tone={tone}>{t(word)}</Dot>
    </span>
  );
}

/** The market's time while the stream tells it; nothing rather than a time that stands still. */
function Clock(): ReactNode {
  const { t } = usePrefs();
  const [text, setText] = useState('');
  useEffect(() => {
    const timer = setInterval(() => {
      const { text: time, at } = marketStream.time();
      setText(time && Date.now() - at < 10_000 ? clock(time) : '');
    }, 500);
    return () => clearInterval(timer);
  }, []);
  return (
    <span className="clock" title={t('system.marketTime')}>
      {text}
    </span>
  );
}

export function Settings({ me, onHelp, onLeave }: { me?: Me; onHelp?: () => void; onLeave?: () => void }): ReactNode {
  const { t, lang, theme, up, setLang, setTheme, setUp } = usePrefs();
  return (
    <div className="settings">
      {me && (
        <>
          <LinkState />
          <Clock />
        </>
      )}
      <button
        type="button"
        className="ghost updown"
        onClick={() => setUp(up === 'red' ? 'green' : 'red')}
        aria-label={t(up === 'red' ? 'set.toGreenUp' : 'set.toRedUp')}
        title={t(up === 'red' ? 'set.redUp' : 'set.greenUp')}
        data-act="updown"
      >
        <span className="up" aria-hidden="true">
          ▲
        </span>
        <span className="down" aria-hidden="true">
          ▼
        </span>
      </button>
      <button
        type="button"
        className="ghost"
        onClick={() => setTheme(theme === 'dark' ? 'light' : 'dark')}
        aria-label={t(theme === 'dark' ? 'set.toLight' : 'set.toDark')}
        title={t(theme === 'dark' ? 'set.toLight' : 'set.toDark')}
        data-act="theme"
      >
        <span aria-hidden="true">{theme === 'dark' ? '☀' : '☾'}</span>
      </button>
      <button
        type="button"
        className="ghost"
        onClick={() => setLang(lang === 'zh' ? 'en' : 'zh')}
        lang={lang === 'zh' ? 'en' : 'zh-CN'}
        aria-label={lang === 'zh' ? 'Switch to English' : '切换为中文'}
        data-act="language"
      >
        {lang === 'zh' ? 'EN' : '中文'}
      </button>
      {onHelp && (
        <button
          type="button"
          className="ghost"
          onClick={onHelp}
          aria-label={t('set.help')}
          title={`${t('set.help')} (?)`}
          data-act="help"
        >
          ?
        </button>
      )}
      {me && (
        <span className="who" title={me.roles.join(', ')}>
          {me.name}
        </span>
      )}
      {me && (
        <button type="button" className="ghost" onClick={onLeave} data-act="sign-out">
          {t('sign.out')}
        </button>
      )}
    </div>
  );
}

function Help({
  open,
  onClose,
  pages,
  staff,
}: {
  open: boolean;
  onClose: () => void;
  pages: PageName[];
  staff: boolean;
}): ReactNode {
  const { t } = usePrefs();
  const rows: [string[], string][] = [
    ...pages.map((p): [string[], string] => [['g', PAGES[p].key], `${t('help.go')}: ${t(pageWord(p, staff))}`]),
    [['/'], t('help.search')],
    [['↑', '↓'], t('help.move')],
    [['Enter'], t('help.open')],
    ...(pages.includes('trading')
      ? ([
          [['b'], t('help.buy')],
          [['s'], t('help.sell')],
          [['Delete'], t('help.cancel')],
        ] as [string[], string][])
      : []),
    [['D'], t('help.theme')],
    [['L'], t('help.language')],
    [['?'], t('help.this')],
    [['Esc'], t('help.close')],
  ];
  return (
    <Dialog open={open} title={t('help.title')} onClose={onClose}>
      <dl className="keys">
        {rows.map(([keys, text]) => (
          <div key={keys.join(' ') + text}>
            <dt>
              {keys.map((k) => (
                <kbd key={k}>{k}</kbd>
              ))}
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

/** A page that fails does not take the frame with it. */
class Guard extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };
  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }
  override componentDidCatch(error: Error, info: ErrorInfo): void {
    console.error(error, info.componentStack);
  }
  override render(): ReactNode {
    return this.state.failed ? <Broken /> : this.props.children;
  }
}

function Broken(): ReactNode {
  const { t } = usePrefs();
  return (
    <div className="splash">
      <div className="problem" role="alert">
        <strong>{t('app.broken')}</strong>
        <button type="button" onClick={() => location.reload()}>
          {t('app.reload')}
        </button>
      </div>
    </div>
  );
}
