use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use counterweight_domain::account::{self, Caller};
use counterweight_domain::{Db, Error};

use super::{SignInCache, credentials, privileges};
use crate::problem::Problem;
use crate::state::AppState;

const NO_KEY: Error =
    Error::Unauthenticated { reason: "no API key came with the request; run `wandb login`" };
const WRONG_KEY: Error =
    Error::Unauthenticated { reason: "the API key is not valid; run `wandb login --relogin`" };

/// The caller, signed in by the API key of the request, with the rights that its headers claim. As an extractor it refuses everyone else.
#[derive(Clone, Debug)]
pub struct Requester(pub Caller);

impl FromRequestParts<AppState> for Requester {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        Self::of(state, &parts.headers).await
    }
}

impl Requester {
    /// The caller of a request with these headers.
    pub async fn of(state: &AppState, headers: &HeaderMap) -> Result<Self, Problem> {
        let key = credentials::api_key(headers).ok_or(NO_KEY)?;
        let caller = sign_in(&state.db, &state.sign_ins, &key).await?;
        Ok(Self(privileges::claim(caller, headers)))
    }
}

async fn sign_in(db: &Db, cache: &SignInCache, key: &str) -> Result<Caller, Error> {
    if let Some(answer) = cache.get(key) {
        return answer.caller().ok_or(WRONG_KEY);
    }
    let caller = account::authenticate(db, key).await?;
    cache.put(key, caller.clone().into());
    caller.ok_or(WRONG_KEY)
}
