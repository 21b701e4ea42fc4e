//! The released client, in Python.

use serde_json::Value;

use crate::counterweight::Counterweight;
use crate::load::API_KEY;
use crate::setup::Setup;

/// What a script prints that uses the client as a user of this server. What the client keeps goes with it.
pub(crate) async fn run(
    setup: &Setup,
    server: &Counterweight,
    script: &str,
    arguments: Vec<String>,
) -> anyhow::Result<Value> {
    let folder = setup.folder()?;
    let inside = |name: &str| folder.path().join(name).display().to_string();
    let environment = [
        ("WANDB_BASE_URL", server.service.url.clone()),
        ("WANDB_API_KEY", API_KEY.to_owned()),
        ("WANDB_DIR", inside("")),
        ("WANDB_CACHE_DIR", inside("cache")),
        ("WANDB_CONFIG_DIR", inside("config")),
        ("WANDB_DATA_DIR", inside("staging")),
        ("NETRC", inside("netrc")),
        ("WANDB_CONSOLE", "off".to_owned()),
        ("WANDB_DISABLE_GIT", "true".to_owned()),
        ("WANDB_SILENT", "true".to_owned()),
        ("WANDB_ERROR_REPORTING", "false".to_owned()),
    ];
    setup.python(script, arguments, &environment).await
}
