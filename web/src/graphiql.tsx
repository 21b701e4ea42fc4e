import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "./style.css";
import { GraphiQL } from "graphiql";
import { useMemo, type ComponentProps } from "react";
import { createRoot } from "react-dom/client";
import { post, readAnswer } from "./api";
import { signOut, useApiKey } from "./session";
import { SignIn } from "./SignIn";

type Fetcher = ComponentProps<typeof GraphiQL>["fetcher"];

const DEFAULT_QUERY = `# Your request carries the API key you signed in with.
# An "Authorization" line in the headers editor replaces it.
query Viewer {
  viewer {
    username
    entity
  }
}
`;

function signedFetcher(key: string): Fetcher {
  return async (params, options) => readAnswer(await post(params, key, options?.headers));
}

function Explorer() {
  const key = useApiKey();
  const fetcher = useMemo(() => (key === null ? null : signedFetcher(key)), [key]);
  if (fetcher === null) {
    return (
      <div className="shell">
        <SignIn />
      </div>
    );
  }
  return (
    <GraphiQL
      fetcher={fetcher}
      defaultQuery={DEFAULT_QUERY}
      defaultEditorToolsVisibility="headers"
      isHeadersEditorEnabled
      showPersistHeadersSettings={false}
      storage={sessionStorage}
    >
      <GraphiQL.Logo>
        <span className="explorer-links">
          <a href="/">Counterweight</a>
          <button type="button" onClick={() => signOut()}>
            Sign out
          </button>
        </span>
      </GraphiQL.Logo>
    </GraphiQL>
  );
}

createRoot(document.getElementById("root")!).render(<Explorer />);
