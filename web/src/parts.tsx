import type { ReactNode } from "react";

// Local time, written as 2026-03-01 14:05: the Swedish form is ISO 8601, short, and sorts by eye.
const DATE_TIME = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "short" });

/** An error in the server's own words. */
export function Problem({ error }: { error: unknown }) {
  if (error == null) return null;
  return (
    <p className="problem" role="alert">
      {error instanceof Error ? error.message : String(error)}
    </p>
  );
}

/** What the last change did; announced politely, so it stays in the page even when there is nothing to say. */
export function Notice({ children }: { children: ReactNode }) {
  return (
    <div role="status">
      {children !== null && <p className="notice">{children}</p>}
    </div>
  );
}

export function Time({ value }: { value: string | null }) {
  if (value === null) return <span className="faint">never</span>;
  const date = new Date(/(Z|[+-]\d\d:?\d\d)$/i.test(value) ? value : `${value}Z`);
  if (Number.isNaN(date.getTime())) return value;
  const [day, clock] = DATE_TIME.format(date).split(" ");
  return (
    <time dateTime={value} title={value}>
      <span>{day}</span> <span>{clock}</span>
    </time>
  );
}

interface ListingProps {
  list: { nodes: unknown[]; busy: boolean; error: unknown; hasMore: boolean; more: () => void };
  empty: ReactNode;
  head: ReactNode;
  children: ReactNode;
}

/** The table of a connection with what surrounds it: the error, the empty state, and "More". */
export function Listing({ list, empty, head, children }: ListingProps) {
  const none = list.nodes.length === 0;
  return (
    <>
      {!none && (
        <div className="scroll">
          <table>
            <thead>
              <tr>{head}</tr>
            </thead>
            <tbody>{children}</tbody>
          </table>
        </div>
      )}
      <Problem error={list.error} />
      {none && !list.busy && list.error === null && <p className="empty">{empty}</p>}
      {list.busy && (
        <p className="faint" role="status">
          Loading…
        </p>
      )}
      {list.hasMore && !list.busy && (
        <button type="button" onClick={list.more}>
          More
        </button>
      )}
    </>
  );
}
