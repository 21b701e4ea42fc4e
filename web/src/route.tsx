import { useMemo, useSyncExternalStore, type ComponentProps, type MouseEvent } from "react";

export type Route =
  | { page: "projects"; entity: string | null }
  | { page: "runs"; entity: string; project: string; run: string | null; archived: boolean }
  | { page: "trash" }
  | { page: "authorize" };

/** Reads the paths that the client prints: `/`, `/{entity}`, `/{entity}/{project}` and what lies below. */
export function parseRoute(url: URL): Route {
  const [entity, project, kind, run] = url.pathname.split("/").filter(Boolean).map(decode);
  if (entity === "trash" && project === undefined) return { page: "trash" };
  if (entity === "authorize" && project === undefined) return { page: "authorize" };
  if (entity === undefined || project === undefined) return { page: "projects", entity: entity ?? null };
  return {
    page: "runs",
    entity,
    project,
    run: kind === "runs" && run !== undefined ? run : null,
    archived: url.searchParams.has("archived"),
  };
}

export function pathOf(route: Route): string {
  switch (route.page) {
    case "projects":
      return route.entity === null ? "/" : path(route.entity);
    case "trash":
      return "/trash";
    case "authorize":
      return "/authorize";
    case "runs":
      return (
        path(route.entity, route.project, ...(route.run === null ? [] : ["runs", route.run])) +
        (route.archived ? "?archived" : "")
      );
  }
}

export function useRoute(): Route {
  const href = useSyncExternalStore(subscribe, () => window.location.href);
  return useMemo(() => parseRoute(new URL(href)), [href]);
}

export function navigate(to: Route): void {
  window.history.pushState(null, "", pathOf(to));
  window.dispatchEvent(new PopStateEvent("popstate"));
  window.scrollTo(0, 0);
}

/** A real link, so that it opens in a new tab when asked, but changes the page without loading it again. */
export function Link({ to, ...props }: { to: Route } & Omit<ComponentProps<"a">, "href" | "onClick">) {
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(to);
  };
  return <a {...props} href={pathOf(to)} onClick={follow} />;
}

function path(...segments: string[]): string {
  return "/" + segments.map(encodeURIComponent).join("/");
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function subscribe(listener: () => void): () => void {
  window.addEventListener("popstate", listener);
  return () => window.removeEventListener("popstate", listener);
}
