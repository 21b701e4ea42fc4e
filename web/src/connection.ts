import { useCallback, useEffect, useRef, useState } from "react";
import type { Connection } from "./api";

export interface Page<Node> {
  connection: Connection<Node>;
  total?: number | null;
}

interface State<Node> {
  nodes: Node[];
  total: number | null;
  next: string | null;
  busy: boolean;
  error: unknown;
}

/**
 * Reads a connection page by page, from the start whenever `load` changes (so memoise it).
 * An answer that arrives after the question has changed is dropped.
 */
export function useConnection<Node extends { id: string }>(load: (after: string | null) => Promise<Page<Node>>) {
  const [state, setState] = useState<State<Node>>(loading<Node>);
  const question = useRef(0);

  const read = useCallback(
    async (after: string | null) => {
      const asked = after === null ? ++question.current : question.current;
      const settle = (change: (state: State<Node>) => State<Node>) => {
        if (asked === question.current) setState(change);
      };
      setState((state) => (after === null ? loading<Node>() : { ...state, busy: true, error: null }));
      try {
        const { connection, total } = await load(after);
        const { endCursor, hasNextPage } = connection.pageInfo;
        settle((state) => ({
          nodes: [...state.nodes, ...connection.edges.flatMap(({ node }) => node ?? [])],
          total: total ?? null,
          next: hasNextPage ? endCursor : null,
          busy: false,
          error: null,
        }));
      } catch (error) {
        settle((state) => ({ ...state, busy: false, error }));
      }
    },
    [load],
  );

  useEffect(() => {
    void read(null);
    return () => {
      question.current += 1;
    };
  }, [read]);

  const remove = useCallback((id: string) => {
    setState((state) => ({
      ...state,
      nodes: state.nodes.filter((node) => node.id !== id),
      total: state.total === null ? null : Math.max(0, state.total - 1),
    }));
  }, []);

  const { nodes, total, next, busy, error } = state;
  return { nodes, total, busy, error, hasMore: next !== null, more: () => void read(next), remove };
}

/**
 * Runs one change at a time and keeps what to tell about it: what went wrong, or what was done.
 * The words are forgotten when the `list` that they speak about is another one.
 */
export function useAction(list: unknown) {
  const [pending, setPending] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [done, setDone] = useState<string | null>(null);

  useEffect(() => {
    setError(null);
    setDone(null);
  }, [list]);

  const perform = useCallback(async (change: () => Promise<string>) => {
    setPending(true);
    setError(null);
    setDone(null);
    try {
      setDone(await change());
    } catch (error) {
      setError(error);
    } finally {
      setPending(false);
    }
  }, []);

  return { pending, error, done, perform };
}

function loading<Node>(): State<Node> {
  return { nodes: [], total: null, next: null, busy: true, error: null };
}
