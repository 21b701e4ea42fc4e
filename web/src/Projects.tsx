import { useCallback } from "react";
import { request, type Connection, type Project } from "./api";
import { useConnection } from "./connection";
import { Listing, Time } from "./parts";
import { Link } from "./route";

const PROJECTS = `query Projects($entity: String, $after: String) {
  models(entityName: $entity, first: 50, after: $after) {
    edges { node { id name entityName createdAt runCount } }
    pageInfo { endCursor hasNextPage }
  }
}`;

export function Projects({ entity }: { entity: string | null }) {
  const load = useCallback(
    async (after: string | null) => {
      const { models } = await request<{ models: Connection<Project> | null }>(PROJECTS, { entity, after });
      if (models === null) throw new Error(`There is no entity "${entity}", or you may not read it.`);
      return { connection: models };
    },
    [entity],
  );
  const projects = useConnection(load);

  return (
    <>
      <h1>
        Projects {entity !== null && <span className="faint">of {entity}</span>}
      </h1>
      <Listing
        list={projects}
        empty={
          <>
            No project yet. The first <code>wandb.init(project="…")</code> makes one.
          </>
        }
        head={
          <>
            <th scope="col">Project</th>
            <th scope="col" className="number">
              Runs
            </th>
            <th scope="col">Created</th>
          </>
        }
      >
        {projects.nodes.map((project) => (
          <tr key={project.id}>
            <th scope="row">
              <Link
                to={{ page: "runs", entity: project.entityName, project: project.name, run: null, archived: false }}
              >
                {project.name}
              </Link>
            </th>
            <td className="number">{project.runCount?.toLocaleString()}</td>
            <td>
              <Time value={project.createdAt} />
            </td>
          </tr>
        ))}
      </Listing>
    </>
  );
}
