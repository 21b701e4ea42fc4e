import { useCallback } from "react";
import { request, type Connection, type DeletedRun } from "./api";
import { useAction, useConnection } from "./connection";
import { Listing, Notice, Problem, Time } from "./parts";
import { label } from "./Runs";

const TRASH = `query Trash($after: String) {
  trash(first: 50, after: $after) {
    edges { node { id name displayName project { name } deletedAt purgeAfter } }
    pageInfo { endCursor hasNextPage }
  }
}`;

const RESTORE = "mutation Restore($id: ID!) { restoreRun(input: { id: $id }) { run { id } } }";

export function Trash() {
  const load = useCallback(async (after: string | null) => {
    const { trash } = await request<{ trash: Connection<DeletedRun> }>(TRASH, { after });
    return { connection: trash };
  }, []);
  const runs = useConnection(load);
  const { pending, error, done, perform } = useAction(load);

  const restore = (run: DeletedRun) =>
    void perform(async () => {
      await request(RESTORE, { id: run.id });
      runs.remove(run.id);
      return `${label(run)} is restored.`;
    });

  return (
    <>
      <h1>Trash</h1>
      <p className="faint">A deleted run can be restored until the time shown. After it, the run and its bytes are gone.</p>
      <Notice>{done}</Notice>
      <Problem error={error} />
      <Listing
        list={runs}
        empty="The trash is empty."
        head={
          <>
            <th scope="col">Run</th>
            <th scope="col">Project</th>
            <th scope="col">Deleted</th>
            <th scope="col">Gone after</th>
            <th scope="col">
              <span className="hidden">Actions</span>
            </th>
          </>
        }
      >
        {runs.nodes.map((run) => (
          <tr key={run.id}>
            <th scope="row">
              {run.displayName || run.name}
              <small>
                <code>{run.name}</code>
              </small>
            </th>
            <td>{run.project?.name}</td>
            <td>
              <Time value={run.deletedAt} />
            </td>
            <td>
              <Time value={run.purgeAfter} />
            </td>
            <td className="actions">
              <button
                type="button"
                disabled={pending}
                aria-label={`Restore ${label(run)}`}
                onClick={() => restore(run)}
              >
                Restore
              </button>
            </td>
          </tr>
        ))}
      </Listing>
    </>
  );
}
