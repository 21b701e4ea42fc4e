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
          It was printed when your user was made. It stays in this tab's session storage until you sign out or close the
          tab.
        </p>
        <Problem error={error} />
        <button type="submit" className="primary" disabled={busy}>
          {busy ? "Signing in…" : "Sign in"}
        </button>
      </form>
    </main>
  );
}

/** The address that `wandb login` prints. Keys are stored as hashes, so it can only say where they come from. */
export function Authorize() {
  return (
    <>
      <h1>API key</h1>
      <p>
        Paste the key you signed in with. It was printed once, when your user was made, and cannot be shown again; an
        administrator makes a user with a new key by <code>counterweight user create NAME</code>.
      </p>
    </>
  );
}
