use std::fmt;
use std::sync::Arc;

use async_graphql::{Executor, Request, Response};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::InputFields;

/// A schema, whatever its types.
#[derive(Clone)]
pub struct GraphQlExecutor {
    inputs: Arc<InputFields>,
    execute: Arc<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>,
}

impl GraphQlExecutor {
    /// Executes with `schema`, which `sdl` describes.
    pub fn new(schema: impl Executor, sdl: &str) -> Result<Self, async_graphql::parser::Error> {
        let inputs = Arc::new(InputFields::from_sdl(sdl)?);
        let execute = move |request| {
            let schema = schema.clone();
            async move { schema.execute(request).await }.boxed()
        };
        Ok(Self { inputs, execute: Arc::new(execute) })
    }

    /// Answers one request.
    pub async fn execute(&self, mut request: Request) -> Response {
        self.inputs.mend_variables(&mut request);
        (self.execute)(request).await
    }
}

impl fmt::Debug for GraphQlExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphQlExecutor").finish_non_exhaustive()
    }
}
