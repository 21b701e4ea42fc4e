//! Shared mode: several writers of one run, each of which counts the lines of a stream for itself. A new line of any of
//! them goes to the end of the run's; spans remember where it went, so that a line that is sent again is found. Nothing
//! but this knows of a writer's own numbers.

use std::collections::BTreeMap;
use std::ops::Range;

use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, Iterable as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::Stream;
use super::chunk::{self, Lines, Prepared};
use crate::db::{Source as _, WriteTx};
use crate::entity::history_span::{Column, Entity, Model};
use crate::error::{Error, Result};
use crate::id::RunId;

/// One of several writers of a run, as it names itself: each process its own way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterId(String);

impl WriterId {
    const LONGEST: usize = 64;

    /// Reads a name: 1 to 64 visible ASCII characters.
    pub fn parse(text: &str) -> Result<Self> {
        if (1..=Self::LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(text.to_owned()));
        }
        let reason = format!("must be 1 to {} visible ASCII characters", Self::LONGEST);
        Err(Error::invalid("WRITER_INVALID", "X-WANDB-ASYNC-CLIENT-ID", reason))
    }
}

/// Where lines of a part go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The writer's number of the first.
    own_first: i64,
    /// The run's.
    first_line: i64,
    line_count: i64,
}

impl Place {
    /// Where a run's only writer says.
    pub(super) fn as_numbered(part: &Prepared) -> Self {
        Self { own_first: part.offset, first_line: part.offset, line_count: part.line_count }
    }

    /// In the run's numbers.
    pub(super) fn lines(&self) -> Range<i64> {
        self.first_line..self.first_line + self.line_count
    }

    fn own_end(&self) -> i64 {
        self.own_first + self.line_count
    }

    fn continues(&self, before: &Self) -> bool {
        before.own_end() == self.own_first && before.lines().end == self.first_line
    }

    /// What of it is at `line` or behind.
    fn behind(&self, line: i64) -> Option<Self> {
        let skip = (line - self.first_line).max(0);
        (skip < self.line_count).then(|| Self {
            own_first: self.own_first + skip,
            first_line: self.first_line + skip,
            line_count: self.line_count - skip,
        })
    }

    /// What of it a part brings; a place may begin before its part, where a gap is kept free.
    fn of_part(&self, part: &Prepared) -> Self {
        let skip = (part.offset - self.own_first).clamp(0, self.line_count);
        Self {
            own_first: self.own_first + skip,
            first_line: self.first_line + skip,
            line_count: self.line_count - skip,
        }
    }
}

/// What is known of a writer's lines, from the first on that it sends.
#[derive(Debug, Default)]
pub(super) struct Spans {
    known: BTreeMap<Stream, Vec<Place>>,
}

impl Spans {
    /// Of these parts of a request.
    pub(super) async fn load(
        tx: &WriteTx,
        run: RunId,
        writer: &WriterId,
        parts: &[Prepared],
    ) -> Result<Self> {
        let mut known = BTreeMap::new();
        for part in parts.iter().filter(|part| part.line_count > 0) {
            let own = || {
                Entity::find()
                    .filter(Column::RunId.eq(run))
                    .filter(Column::Stream.eq(part.stream))
                    .filter(Column::Writer.eq(&writer.0))
            };
            // Plan: the primary key, to the span that the first line may be in, and from there on.
            let mut floor = own().select_only().column_as(Column::OwnFirst.max(), "floor");
            floor = floor.filter(Column::OwnFirst.lte(part.offset));
            let floor: Option<i64> = floor.into_tuple().one(tx.connection()).await?.flatten();
            let rows = own()
                .filter(Column::OwnFirst.gte(floor.unwrap_or_default()))
                .order_by_asc(Column::OwnFirst)
                .all(tx.connection())
                .await?;
            let place =
                |Model { own_first, first_line, line_count, .. }| Place { own_first, first_line, line_count };
            known.insert(part.stream, rows.into_iter().map(place).collect());
        }
        Ok(Self { known })
    }

    fn of(&self, stream: Stream) -> &[Place] {
        self.known.get(&stream).map_or(&[], Vec::as_slice)
    }

    /// One past the last line of a stream that the writer sent; none before its first.
    pub(super) fn end(&self, stream: Stream) -> Option<i64> {
        self.of(stream).last().map(Place::own_end)
    }

    /// Where the lines of a part are, or go: a run has `line_count` lines. A console's gaps are kept free.
    pub(super) fn places(&self, part: &Prepared, line_count: i64) -> Vec<Place> {
        let own = part.offset..part.offset + part.line_count;
        let from = self.end(part.stream).map_or(own.start, |end| end.min(own.start));
        let mut places: Vec<Place> = Vec::new();
        let (mut at, mut next_line) = (from, line_count);
        let mut add = |place: Place| match places.last_mut() {
            Some(last) if place.continues(last) => last.line_count += place.line_count,
            _ if place.line_count > 0 => places.push(place),
            _ => {}
        };
        let mut fresh = |own: Range<i64>| {
            let place =
                Place { own_first: own.start, first_line: next_line, line_count: own.end - own.start };
            next_line += place.line_count;
            place
        };
        for span in self.of(part.stream) {
            let (start, end) = (span.own_first.clamp(at, own.end), span.own_end().clamp(at, own.end));
            add(fresh(at..start));
            add(Place {
                own_first: start,
                first_line: span.first_line + start - span.own_first,
                line_count: end - start,
            });
            at = end;
        }
        add(fresh(at..own.end));
        places
    }

    /// Remembers where new lines went: those behind the `line_count` that the run had.
    pub(super) async fn remember(
        &self,
        tx: &WriteTx,
        run: RunId,
        writer: &WriterId,
        stream: Stream,
        places: &[Place],
        line_count: i64,
    ) -> Result<()> {
        let fresh = places.iter().filter_map(|place| place.behind(line_count));
        let rows: Vec<_> = fresh
            .map(|place| {
                let longer = self.of(stream).iter().find(|span| place.continues(span));
                let first = longer.unwrap_or(&place);
                let Place { own_first, first_line, .. } = *first;
                let line_count = place.own_end() - own_first;
                Model { run_id: run, stream, writer: writer.0.clone(), own_first, line_count, first_line }
            })
            .map(|row| row.into_active_model().reset_all())
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        Entity::insert_many(rows)
            .on_conflict(
                OnConflict::columns([Column::RunId, Column::Stream, Column::Writer, Column::OwnFirst])
                    .update_columns([Column::LineCount])
                    .to_owned(),
            )
            .exec_without_returning(tx.connection())
            .await?;
        Ok(())
    }
}

/// A part under the run's numbers. It comes in pieces where lines of others are between its own.
pub(super) fn put(mut part: Prepared, places: &[Place]) -> Result<Vec<Prepared>> {
    if let [place] = places {
        let moved = place.of_part(&part).first_line - part.offset;
        part.offset += moved;
        for chunk in &mut part.chunks {
            chunk.first_line += moved;
        }
        return Ok(vec![part]);
    }
    let mut lines = Vec::new();
    for chunk in &part.chunks {
        lines.extend(chunk::decode(&chunk.body, chunk.raw_bytes)?);
    }
    let mut lines = lines.into_iter();
    let mut pieces = Vec::with_capacity(places.len());
    for place in places.iter().map(|place| place.of_part(&part)).filter(|place| place.line_count > 0) {
        let content =
            lines.by_ref().take(usize::try_from(place.line_count).map_err(Error::internal)?).collect();
        let offset = u64::try_from(place.first_line).map_err(Error::internal)?;
        pieces.push(Prepared::new(Lines { stream: part.stream, offset, content })?);
    }
    Ok(pieces)
}

/// Whether a run has lines of a writer.
pub(crate) async fn has_lines_of(tx: &WriteTx, run: RunId, writer: &WriterId) -> Result<bool> {
    let own = Entity::find()
        .filter(Column::RunId.eq(run))
        .filter(Column::Stream.is_in(Stream::iter()))
        .filter(Column::Writer.eq(&writer.0));
    Ok(own.limit(1).count(tx.connection()).await? > 0)
}

/// Forgets where lines from `line` on came from, which are gone: whoever sends them again adds them.
pub(super) async fn cut(tx: &WriteTx, run: RunId, stream: Stream, line: i64) -> Result<()> {
    use sea_orm::sea_query::ExprTrait as _;
    Entity::delete_many()
        .filter(Column::RunId.eq(run))
        .filter(Column::Stream.eq(stream))
        .filter(Column::FirstLine.gte(line))
        .exec(tx.connection())
        .await?;
    Entity::update_many()
        .col_expr(Column::LineCount, Expr::value(line).sub(Expr::col(Column::FirstLine)))
        .filter(Column::RunId.eq(run))
        .filter(Column::Stream.eq(stream))
        .filter(Expr::col(Column::FirstLine).add(Expr::col(Column::LineCount)).gt(line))
        .exec(tx.connection())
        .await?;
    Ok(())
}
