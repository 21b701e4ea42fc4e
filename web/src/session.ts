import { useSyncExternalStore } from "react";

/** The API key of this browser tab. sessionStorage forgets it when the tab is closed. */
const STORAGE_KEY = "counterweight.api-key";

const listeners = new Set<() => void>();

let reason: string | null = null;

export function apiKey(): string | null {
  return sessionStorage.getItem(STORAGE_KEY);
}

export function signIn(key: string): void {
  reason = null;
  sessionStorage.setItem(STORAGE_KEY, key);
  listeners.forEach((listener) => listener());
}

/**
 * Forgets the key, and with it what GraphiQL kept in this tab: its history holds the headers that were typed.
 * `why` is shown in the form that asks for the next key.
 */
export function signOut(why: string | null = null): void {
  reason = why;
  sessionStorage.clear();
  listeners.forEach((listener) => listener());
}

export function signOutReason(): string | null {
  return reason;
}

export function useApiKey(): string | null {
  return useSyncExternalStore(subscribe, apiKey);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
