// What a person chose and the browser remembers: language, theme, and which colour means up.

import { createContext, useCallback, useContext, useLayoutEffect, useMemo, useState, type ReactNode } from 'react';

import { say, sayName, type Lang, type Word } from './words';

export type Theme = 'dark' | 'light';
export type UpColour = 'red' | 'green';

interface Prefs {
  lang: Lang;
  theme: Theme;
  up: UpColour;
  setLang: (lang: Lang) => void;
  setTheme: (theme: Theme) => void;
  setUp: (up: UpColour) => void;
  t: (word: Word) => string;
  /** A name that the server sent, in the person's language. */
  name: (group: string, name: string | null | undefined) => string;
}

const Context = createContext<Prefs | null>(null);

function recall<T extends string>(key: string, allowed: readonly T[]): T | undefined {
  try {
    const found = localStorage.getItem(`heng.${key}`);
    return allowed.find((value) => value === found);
  } catch {
    return undefined;
  }
}

function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`heng.${key}`, value);
  } catch {
    // A browser that keeps nothing still works; it only forgets.
  }
}

const guessLang = (): Lang => (navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en');
const guessTheme = (): Theme => (matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark');

export function PrefsProvider({ children }: { children: ReactNode }): ReactNode {
  const [lang, setLangState] = useState<Lang>(() => recall('lang', ['en', 'zh'] as const) ?? guessLang());
  const [theme, setThemeState] = useState<Theme>(() => recall('theme', ['dark', 'light'] as const) ?? guessTheme());
  const [chosenUp, setUpState] = useState<UpColour | undefined>(() => recall('up', ['red', 'green'] as const));
  // In China red means up; whoever has not chosen gets what the language expects.
  const up = chosenUp ?? (lang === 'zh' ? 'red' : 'green');

  // Before the charts read their colours, which they do in effects.
  useLayoutEffect(() => {
    const root = document.documentElement;
    root.lang = lang === 'zh' ? 'zh-CN' : 'en';
    root.dataset['theme'] = theme;
    root.dataset['up'] = up;
  }, [lang, theme, up]);

  const setLang = useCallback((next: Lang) => {
    remember('lang', next);
    setLangState(next);
  }, []);
  const setTheme = useCallback((next: Theme) => {
    remember('theme', next);
    setThemeState(next);
  }, []);
  const setUp = useCallback((next: UpColour) => {
    remember('up', next);
    setUpState(next);
  }, []);

  const value = useMemo<Prefs>(
    () => ({
      lang,
      theme,
      up,
      setLang,
      setTheme,
      setUp,
      t: (word) => say(lang, word),
      name: (group, name) => sayName(lang, group, name),
    }),
    [lang, theme, up, setLang, setTheme, setUp],
  );
  return <Context value={value}>{children}</Context>;
}

export function usePrefs(): Prefs {
  const prefs = useContext(Context);
  if (!prefs) throw new Error('usePrefs outside of PrefsProvider');
  return prefs;
}
