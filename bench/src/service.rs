//! Processes beside this one: started, measured, and stopped whatever happens.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::load;

/// A busy machine starts `MLflow` in half a minute.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(20);

/// A server in a process of its own, which may have further ones; all of them are one process group.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    /// Kept open, so that what it prints later breaks nothing.
    output: Option<BufReader<ChildStdout>>,
    /// Where it is.
    pub(crate) url: String,
}

impl Service {
    /// Starts it, and waits until it prints its address.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut service = Self::spawn(command.stdout(Stdio::piped()), String::new())?;
        let mut output = BufReader::new(service.child.stdout.take().context("a child without its output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let at = line
            .find("http://")
            .with_context(|| format!("{} did not start", command.get_program().display()))?;
        line[at..].trim_end().clone_into(&mut service.url);
        service.output = Some(output);
        Ok(service)
    }

    /// Starts one that is told its port, and waits until `path` answers. What it prints goes to `log`.
    pub(crate) async fn start_at(
        command: &mut Command,
        port: u16,
        path: &str,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let log = File::create(log)?;
        command.stdout(log.try_clone()?).stderr(log);
        let mut service = Self::spawn(command, format!("http://127.0.0.1:{port}"))?;
        let (client, health) = (load::client()?, format!("{}{path}", service.url));
        let until = Instant::now() + PATIENCE;
        while !client.get(&health).send().await.is_ok_and(|answer| answer.status().is_success()) {
            let ended = service.child.try_wait()?.is_some();
            let name = command.get_program().display();
            anyhow::ensure!(!ended && Instant::now() < until, "{name} did not start");
            tokio::time::sleep(PAUSE).await;
        }
        Ok(service)
    }

    fn spawn(command: &mut Command, url: String) -> anyhow::Result<Self> {
        let started = command.process_group(0).spawn();
        let child = started.with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { child, output: None, url })
    }

    /// Its own number and those of the processes it has.
    fn processes(&self) -> Vec<u32> {
        let mut found = vec![self.child.id()];
        let mut at = 0;
        while let Some(process) = found.get(at) {
            let children = format!("/proc/{process}/task/{process}/children");
            let children = std::fs::read_to_string(children).unwrap_or_default();
            found.extend(children.split_ascii_whitespace().filter_map(|number| number.parse::<u32>().ok()));
            at += 1;
        }
        found
    }

    /// Memory by the name that a file in `/proc` has for it, in MiB; not a number where there is no `/proc`.
    fn memory_mib(&self, file: &str, name: &str) -> f64 {
        let kib = |process| {
            let text = std::fs::read_to_string(format!("/proc/{process}/{file}")).ok()?;
            let kib = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"))?;
            kib.parse::<f64>().ok()
        };
        let all: Vec<f64> = self.processes().into_iter().filter_map(kib).collect();
        if all.is_empty() { f64::NAN } else { all.iter().sum::<f64>() / 1024.0 }
    }

    /// What it keeps in memory, in MiB; what several of its processes share counts once.
    pub(crate) fn resident_mib(&self) -> f64 {
        let several = self.processes().len() > 1;
        if several { self.memory_mib("smaps_rollup", "Pss:") } else { self.memory_mib("status", "VmRSS:") }
    }

    /// The most it kept in memory since [`Service::forget_peak`], in MiB.
    pub(crate) fn peak_mib(&self) -> f64 {
        self.memory_mib("status", "VmHWM:")
    }

    /// What it keeps now becomes its peak.
    pub(crate) fn forget_peak(&self) {
        for process in self.processes() {
            // Where the system has no such file, the peak is that since the start.
            std::fs::write(format!("/proc/{process}/clear_refs"), "5").unwrap_or_default();
        }
    }

    /// The processor time it took so far, in milliseconds; not a number where there is no `/proc`.
    pub(crate) fn cpu_ms(&self) -> f64 {
        let ticks = |process| {
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            // User and system time are the 14th and 15th field, in hundredths of a second; the second ends in `)`.
            let times = stat.rsplit(") ").next()?.split(' ').skip(11).take(2);
            Some(times.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>())
        };
        let all: Vec<f64> = self.processes().into_iter().filter_map(ticks).collect();
        if all.is_empty() { f64::NAN } else { all.iter().sum::<f64>() * 10.0 }
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(self.signal("-TERM"), "cannot stop a server");
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && self.child.try_wait()?.is_none() {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Ends it at once, wherever it is, and waits until it is gone.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(self.signal("-KILL"), "cannot kill a server");
        self.child.wait()?;
        Ok(())
    }

    /// To all its processes; whether there was one.
    fn signal(&self, signal: &str) -> bool {
        let group = format!("-{}", self.child.id());
        let mut kill = Command::new("kill");
        kill.args([signal, "--", &group]).stderr(Stdio::null());
        kill.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.signal("-KILL");
        // It fails only when it has ended.
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// A port that nobody listens at.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
