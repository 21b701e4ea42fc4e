import { useState, type FormEvent } from "react";
import { fetchViewerOf } from "./api";
import { Problem } from "./parts";
import { signIn, signOutReason } from "./session";

/** Asks for the API key and keeps it only when the server takes it. */
export function SignIn() {
  const [key, setKey] = useState("");
  const [error, setError] = useState<unknown>(signOutReason);
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const candidate = key.trim();
    setBusy(true);
    setError(null);
    try {
      await fetchViewerOf(candidate);
      signIn(candidate);
    } catch (error) {
      setError(error);
      setBusy(false);
    }
  };

  return (
    <main className="sign-in">
      <h1>Counterweight</h1>
      <form onSubmit={(event) => void submit(event)}>
        <label htmlFor="api-key">API key</label>
        <input
          id="api-key"
          type="password"
          value={key}
          onChange={(event) => setKey(event.target.value)}
          autoComplete="off"
          spellCheck={false}
          autoFocus
          required
          aria-describedby="api-key-storage"
        />
        <p id="api-key-storage" className="faint">
          The key stays in this tab's session storage until you sign out or close the tab.
        </p>
        <Problem error={error} />
        <button type="submit" className="primary" disabled={busy}>
          {busy ? "Signing in…" : "Sign in"}
        </button>
      </form>
    </main>
  );
}
