import { useEffect, useState } from "react";
import { fetchViewer, type Viewer } from "./api";
import { Problem } from "./parts";
import { Projects } from "./Projects";
import { Link, useRoute, type Route } from "./route";
import { Runs } from "./Runs";
import { signOut, useApiKey } from "./session";
import { Authorize, SignIn } from "./SignIn";
import { Trash } from "./Trash";

export function App() {
  const key = useApiKey();
  return <div className="shell">{key === null ? <SignIn /> : <SignedIn key={key} />}</div>;
}

function SignedIn() {
  const route = useRoute();
  const [viewer, setViewer] = useState<Viewer | null>(null);
  const [error, setError] = useState<unknown>(null);

  useEffect(() => {
    fetchViewer().then(setViewer, setError);
  }, []);

  const title = titleOf(route);
  useEffect(() => {
    document.title = `${title} · Counterweight`;
  }, [title]);

  return (
    <>
      <header>
        <Link to={{ page: "projects", entity: null }} className="brand">
          Counterweight
        </Link>
        <nav aria-label="Pages">
          <Link to={{ page: "projects", entity: null }} aria-current={route.page === "projects" ? "page" : undefined}>
            Projects
          </Link>
          <Link to={{ page: "trash" }} aria-current={route.page === "trash" ? "page" : undefined}>
            Trash
          </Link>
          <a href="/graphiql">GraphiQL</a>
        </nav>
        <span className="viewer faint">{viewer?.username}</span>
        <button type="button" className="link" onClick={() => signOut()}>
          Sign out
        </button>
      </header>
      <main>
        <Problem error={error} />
        {viewer !== null && <Page route={route} viewer={viewer} />}
      </main>
    </>
  );
}

function Page({ route, viewer }: { route: Route; viewer: Viewer }) {
  switch (route.page) {
    case "projects":
      return <Projects entity={route.entity ?? viewer.entity} />;
    case "runs":
      return <Runs key={`${route.entity}/${route.project}`} {...route} />;
    case "trash":
      return <Trash />;
    case "authorize":
      return <Authorize />;
  }
}

function titleOf(route: Route): string {
  switch (route.page) {
    case "projects":
      return "Projects";
    case "runs":
      return `${route.entity}/${route.project}`;
    case "trash":
      return "Trash";
    case "authorize":
      return "API key";
  }
}
