//! Processes beside this one: started, measured, and stopped whatever happens.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

const PATIENCE: Duration = Duration::from_secs(10);

/// A server in a process of its own.
pub(crate) struct Service {
    child: Child,
    /// Kept open, so that what it prints later breaks nothing.
    output: BufReader<ChildStdout>,
    /// Where it is.
    pub(crate) url: String,
}

impl Service {
    /// Starts it, and waits until it prints its address.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let started = command.stdout(Stdio::piped()).spawn();
        let mut child =
            started.with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let output = child.stdout.take().context("a child without its output")?;
        let mut service = Self { child, output: BufReader::new(output), url: String::new() };
        let mut line = String::new();
        service.output.read_line(&mut line)?;
        let at = line
            .find("http://")
            .with_context(|| format!("{} did not start", command.get_program().display()))?;
        line[at..].trim_end().clone_into(&mut service.url);
        Ok(service)
    }

    /// What it keeps in memory, in MiB; not a number where there is no `/proc`.
    pub(crate) fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.parse::<f64>().ok()).map_or(f64::NAN, |kib| kib / 1024.0)
    }

    /// The processor time it took so far, in milliseconds; not a number where there is no `/proc`.
    pub(crate) fn cpu_ms(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // User and system time are the 14th and 15th field, in hundredths of a second; the second ends in `)`.
        let times =
            stat.rsplit(") ").next().map(|fields| fields.split(' ').skip(11).take(2)).into_iter().flatten();
        let ticks: Vec<f64> = times.filter_map(|ticks| ticks.parse().ok()).collect();
        if ticks.is_empty() { f64::NAN } else { ticks.iter().sum::<f64>() * 10.0 }
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status()?;
        anyhow::ensure!(asked.success(), "cannot stop a server");
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && self.child.try_wait()?.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        self.child.kill().and_then(|()| self.child.wait().map(drop)).unwrap_or_default();
    }
}
