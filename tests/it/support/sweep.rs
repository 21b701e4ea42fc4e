//! A sweep, as its owner and its agents see it.

use serde_json::{Value, json};

use super::client::{Client, Refusal};
use super::run::{TestRun, text};

/// Four points.
pub(crate) const GRID: &str = "method: grid\nmetric: {name: loss, goal: minimize}\nprogram: train.py\n\
                               parameters:\n  x: {values: [1, 2]}\n  y: {values: [a, b]}\n";

/// A sweep with one agent.
#[derive(Clone)]
pub(crate) struct TestSweep {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) agent: String,
    client: Client,
    project: String,
}

impl TestSweep {
    pub(crate) async fn create(client: &Client, project: &str, config: &str) -> Self {
        let input = json!({"entityName": client.entity(), "projectName": project, "config": config});
        let made = client.mutate("upsertSweep", input, "sweep { id name }").await;
        let (id, name) = (text(&made["sweep"]["id"]), text(&made["sweep"]["name"]));
        let sweep =
            Self { id, name, agent: String::new(), client: client.clone(), project: project.to_owned() };
        Self { agent: sweep.agent().await, ..sweep }
    }

    /// Another agent's id.
    pub(crate) async fn agent(&self) -> String {
        let input = json!({"entityName": self.client.entity(), "projectName": self.project,
            "sweep": self.name, "host": "here"});
        text(&self.client.mutate("createAgent", input, "agent { id }").await["agent"]["id"])
    }

    fn beat_input(agent: &str, runs: &[&str]) -> Value {
        let state: serde_json::Map<String, Value> =
            runs.iter().map(|run| ((*run).to_owned(), true.into())).collect();
        json!({"id": agent, "metrics": "{}", "runState": json!(state).to_string()})
    }

    /// What an agent is told that has these runs.
    pub(crate) async fn beat(&self, agent: &str, runs: &[&str]) -> Vec<Value> {
        let told = self.client.mutate("agentHeartbeat", Self::beat_input(agent, runs), "commands").await;
        serde_json::from_str(told["commands"].as_str().unwrap()).unwrap()
    }

    /// Why an agent is told nothing.
    pub(crate) async fn beat_refused(&self, agent: &str) -> Refusal {
        self.client.refused("agentHeartbeat", Self::beat_input(agent, &[])).await
    }

    /// The run id and the parameters of the run that an agent is given.
    pub(crate) async fn next(&self, agent: &str) -> (String, Value) {
        let told = self.beat(agent, &[]).await;
        assert_eq!((told.len(), &told[0]["type"]), (1, &json!("run")), "{told:?}");
        (text(&told[0]["run_id"]), told[0]["args"].clone())
    }

    /// Begins a run that was given out, as its writer does.
    pub(crate) async fn begin(&self, run: &str, args: &Value) -> TestRun {
        let input = json!({"sweep": self.name, "config": args.to_string()});
        self.client.run_with(&self.project, run, input).await
    }

    /// Begins the next run of an agent and ends it with this loss; its parameters.
    pub(crate) async fn finish_next(&self, agent: &str, loss: impl FnOnce(&Value) -> f64) -> Value {
        let (name, args) = self.next(agent).await;
        let run = self.begin(&name, &args).await;
        run.log(super::SUMMARY, 0, &[json!({"loss": loss(&args)}).to_string()]).await;
        run.complete(0).await;
        args
    }

    pub(crate) async fn set_state(&self, state: &str) -> Result<(), Refusal> {
        self.client.attempt("upsertSweep", json!({"id": self.id, "state": state})).await
    }

    /// Fields of the sweep.
    pub(crate) async fn show(&self, fields: &str) -> Value {
        let query = format!(
            "query($entity: String, $project: String, $sweep: String!) {{ \
             project(name: $project, entityName: $entity) {{ sweep(sweepName: $sweep) {{ {fields} }} }} }}"
        );
        let variables = json!({"entity": self.client.entity(), "project": self.project, "sweep": self.name});
        self.client.graphql(&query, variables).await["project"]["sweep"].take()
    }

    pub(crate) async fn state(&self) -> String {
        text(&self.show("state").await["state"])
    }
}
