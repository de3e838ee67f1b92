import { useCallback, useMemo, useSyncExternalStore } from "react";

// The session is the token of an identity provider, kept for this tab. A real app lets the provider's own library keep
// and renew it; this one is given a token by hand, so that the example needs no provider to run.
const KEY = "chat.token";
const listeners = new Set<() => void>();

export function signIn(token: string) {
  sessionStorage.setItem(KEY, token.trim());
  listeners.forEach((told) => told());
}

export function signOut() {
  sessionStorage.removeItem(KEY);
  listeners.forEach((told) => told());
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** What ConvexProviderWithAuth wants to know of the session. */
export function useTokenAuth() {
  const token = useSyncExternalStore(subscribe, () => sessionStorage.getItem(KEY));
  const fetchAccessToken = useCallback(async () => token, [token]);
  return useMemo(() => ({ isLoading: false, isAuthenticated: token !== null, fetchAccessToken }), [token, fetchAccessToken]);
}
