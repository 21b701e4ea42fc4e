import { useCallback } from "react";
import { request, type Connection, type Run } from "./api";
import { useAction, useConnection } from "./connection";
import { Listing, Notice, Problem, Time } from "./parts";
import { Link, navigate, type Route } from "./route";

const RUNS = `query Runs($entity: String!, $project: String!, $filters: JSONString, $after: String) {
  project(name: $project, entityName: $entity) {
    runCount(filters: $filters)
    runs(first: 50, after: $after, order: "-created_at", filters: $filters) {
      edges {
        node { id name displayName state createdAt heartbeatAt historyLineCount user { username } }
        cursor
      }
      pageInfo { endCursor hasNextPage }
    }
  }
}`;

const ARCHIVE = "mutation Archive($id: ID!) { archiveRun(input: { id: $id }) { run { id } } }";
const UNARCHIVE = "mutation Unarchive($id: ID!) { unarchiveRun(input: { id: $id }) { run { id } } }";
const DELETE = "mutation Delete($id: ID!) { deleteRun(input: { id: $id }) { clientMutationId } }";

interface Answer {
  project: { runCount: number | null; runs: Connection<Run> | null } | null;
}

type Props = Extract<Route, { page: "runs" }>;

export function Runs(route: Props) {
  const { entity, project, run, archived } = route;
  const load = useCallback(
    async (after: string | null) => {
      const filters = JSON.stringify({ ...(run !== null && { name: run }), ...(archived && { archived: true }) });
      const answer = await request<Answer>(RUNS, { entity, project, filters, after });
      if (!answer.project?.runs) throw new Error(`There is no project "${entity}/${project}", or you may not read it.`);
      return { connection: answer.project.runs, total: answer.project.runCount };
    },
    [entity, project, run, archived],
  );
  const runs = useConnection(load);
  const { pending, error, done, perform } = useAction(load);

  const change = (target: Run, mutation: string, words: string) =>
    void perform(async () => {
      await request(mutation, { id: target.id });
      runs.remove(target.id);
      return `${label(target)} ${words}`;
    });

  const remove = (target: Run) => {
    const question =
      `Delete the run ${label(target)} of ${entity}/${project}?\n\n` +
      "It goes to the trash and can be restored from there until it is purged.";
    if (window.confirm(question)) change(target, DELETE, "is in the trash.");
  };

  return (
    <>
      <div className="heading">
        <h1>
          <Link to={{ page: "projects", entity }}>{entity}</Link>
          <span className="faint"> / </span>
          {run === null ? project : <Link to={{ ...route, run: null }}>{project}</Link>}
          {run !== null && (
            <>
              <span className="faint"> / </span>
              {run}
            </>
          )}
        </h1>
        {runs.total !== null && (
          <span className="faint">
            {runs.total.toLocaleString()} {archived && "archived "}
            {runs.total === 1 ? "run" : "runs"}
          </span>
        )}
        <label className="switch">
          <input
            type="checkbox"
            role="switch"
            checked={archived}
            onChange={() => navigate({ ...route, archived: !archived })}
          />
          Archived
        </label>
      </div>
      <Notice>{done}</Notice>
      <Problem error={error} />
      <Listing
        list={runs}
        empty={archived ? "No archived run here." : "No run here. It may be archived, or in the trash."}
        head={
          <>
            <th scope="col">State</th>
            <th scope="col">Run</th>
            <th scope="col">Created</th>
            <th scope="col">Heartbeat</th>
            <th scope="col" className="number">
              Lines
            </th>
            <th scope="col">
              <span className="hidden">Actions</span>
            </th>
          </>
        }
      >
        {runs.nodes.map((node) => (
          <tr key={node.id}>
            <td>
              <span className="state" data-state={node.state ?? "unknown"}>
                {node.state ?? "unknown"}
              </span>
            </td>
            <th scope="row">
              <Link to={{ ...route, run: node.name }}>{node.displayName || node.name}</Link>
              <small>
                <code>{node.name}</code>
                {node.user?.username && ` by ${node.user.username}`}
              </small>
            </th>
            <td>
              <Time value={node.createdAt} />
            </td>
            <td>
              <Time value={node.heartbeatAt} />
            </td>
            <td className="number">{node.historyLineCount?.toLocaleString()}</td>
            <td className="actions">
              <button
                type="button"
                disabled={pending}
                aria-label={`${archived ? "Unarchive" : "Archive"} ${label(node)}`}
                onClick={() =>
                  archived ? change(node, UNARCHIVE, "is no longer archived.") : change(node, ARCHIVE, "is archived.")
                }
              >
                {archived ? "Unarchive" : "Archive"}
              </button>
              <button
                type="button"
                className="danger"
                disabled={pending}
                aria-label={`Delete ${label(node)}`}
                onClick={() => remove(node)}
              >
                Delete
              </button>
            </td>
          </tr>
        ))}
      </Listing>
    </>
  );
}

/** A run as people know it, with the id that tells it from its namesakes. */
export function label(run: { name: string; displayName: string | null }): string {
  return run.displayName && run.displayName !== run.name ? `${run.displayName} (${run.name})` : run.name;
}
