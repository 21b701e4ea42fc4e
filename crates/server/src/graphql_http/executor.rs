use std::fmt;
use std::sync::Arc;

use async_graphql::{Executor, Request, Response};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use super::InputFields;

/// A schema, whatever its types.
#[derive(Clone)]
pub struct GraphQlExecutor {
    inputs: Arc<InputFields>,
    execute: Arc<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>,
    execute_stream: Arc<dyn Fn(Request) -> BoxStream<'static, Response> + Send + Sync>,
}

impl GraphQlExecutor {
    /// Executes with `schema`, which `sdl` describes.
    pub fn new(schema: impl Executor, sdl: &str) -> Result<Self, async_graphql::parser::Error> {
        let inputs = Arc::new(InputFields::from_sdl(sdl)?);
        let streaming = schema.clone();
        let execute_stream = move |request| streaming.execute_stream(request, None);
        let execute = move |request| {
            let schema = schema.clone();
            async move { schema.execute(request).await }.boxed()
        };
        Ok(Self { inputs, execute: Arc::new(execute), execute_stream: Arc::new(execute_stream) })
    }

    /// Answers one request.
    pub async fn execute(&self, mut request: Request) -> Response {
        self.inputs.mend_variables(&mut request);
        (self.execute)(request).await
    }

    /// Begins an operation that may answer more than once.
    pub fn execute_stream(&self, mut request: Request) -> BoxStream<'static, Response> {
        self.inputs.mend_variables(&mut request);
        (self.execute_stream)(request)
    }
}

impl fmt::Debug for GraphQlExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphQlExecutor").finish_non_exhaustive()
    }
}
