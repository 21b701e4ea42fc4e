//! Passes of the collection: begun by hand, and what the server tells of them.

use std::time::Duration;

use sea_orm::ConnectionTrait as _;

use crate::counterweight::Counterweight;

const COLLECT: &str = "UPDATE schedule SET next_run_at = 0 WHERE name = 'collect'";
const POLL: Duration = Duration::from_millis(20);

/// All passes of a process so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passes {
    /// How many have ended.
    pub(crate) count: f64,
    pub(crate) mark_seconds: f64,
    pub(crate) sweep_seconds: f64,
}

impl Passes {
    pub(crate) async fn of(server: &Counterweight) -> anyhow::Result<Self> {
        let text = server.get(&format!("{}/metrics", server.service.url)).await?;
        let text = String::from_utf8_lossy(&text);
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
            line.unwrap_or(0.0)
        };
        Ok(Self {
            count: value("counterweight_gc_phase_seconds_count{phase=\"reclaim\"}"),
            mark_seconds: value("counterweight_gc_phase_seconds_sum{phase=\"mark\"}"),
            sweep_seconds: value("counterweight_gc_phase_seconds_sum{phase=\"sweep\"}"),
        })
    }

    /// Lets one begin with the worker's next look at its schedule.
    pub(crate) async fn begin(server: &Counterweight) -> anyhow::Result<()> {
        let database = server.database().await?;
        database.execute_unprepared(COLLECT).await?;
        Ok(database.close().await?)
    }

    /// Begins one and waits for its end, with something else done meanwhile, again and again; what this pass took.
    pub(crate) async fn one(
        server: &Counterweight,
        mut meanwhile: impl AsyncFnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let before = Self::of(server).await?;
        Self::begin(server).await?;
        loop {
            meanwhile().await?;
            let now = Self::of(server).await?;
            if now.count > before.count {
                return Ok(Self {
                    count: now.count - before.count,
                    mark_seconds: now.mark_seconds - before.mark_seconds,
                    sweep_seconds: now.sweep_seconds - before.sweep_seconds,
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
