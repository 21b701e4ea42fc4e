//! `/graphql` as a connection that stays open: results are told as they come.

use std::collections::HashMap;
use std::time::Duration;

use async_graphql::{Response, ServerError};
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use futures_util::StreamExt as _;
use futures_util::stream::{AbortHandle, BoxStream, SelectAll, abortable, once};
use serde_json::{Map, Value};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use super::graphql::context;
use crate::auth::Requester;
use crate::graphql_http::protocol::{self, ClientMessage, Close, PROTOCOL};
use crate::graphql_http::{message, read};
use crate::middleware::RequestId;
use crate::seats::Seat;
use crate::state::AppState;

const LARGEST_MESSAGE: usize = 1 << 20;
const BUFFER: usize = 8 << 10;
/// Operations of a connection at a time.
const MOST_OPERATIONS: usize = 16;
/// For the first message.
const INIT_WITHIN: Duration = Duration::from_secs(10);
/// Without an operation.
const IDLE: Duration = Duration::from_mins(5);
const PING_EVERY: Duration = Duration::from_secs(20);
/// Without a sign of life.
const SILENCE: Duration = Duration::from_mins(1);
/// For a client to take a message.
const SEND_WITHIN: Duration = Duration::from_secs(30);

/// Speaks `graphql-transport-ws` with whoever signs in: by the headers of the request, or by an `Authorization` in the
/// payload of the first message, since browsers send no headers with it.
pub(super) fn open(
    state: AppState,
    upgrade: WebSocketUpgrade,
    headers: HeaderMap,
    id: RequestId,
    base_url: String,
) -> axum::response::Response {
    let upgrade = upgrade.protocols([PROTOCOL]).read_buffer_size(BUFFER).write_buffer_size(0);
    let upgrade = upgrade.max_message_size(LARGEST_MESSAGE).max_frame_size(LARGEST_MESSAGE);
    upgrade.on_upgrade(move |socket| async move {
        let connection = Connection {
            state,
            socket,
            headers,
            id,
            base_url,
            seat: None,
            operations: SelectAll::new(),
            stops: HashMap::new(),
        };
        connection.serve().await;
    })
}

/// A result of an operation; none after the last.
type Told = (String, Option<Response>);

struct Connection {
    state: AppState,
    socket: WebSocket,
    /// With what the first message brought.
    headers: HeaderMap,
    id: RequestId,
    base_url: String,
    /// Taken once the caller is known.
    seat: Option<Seat>,
    operations: SelectAll<BoxStream<'static, Told>>,
    stops: HashMap<String, AbortHandle>,
}

/// Why a connection ends: with a word to the client, or since it is gone.
type Ended = Option<Close>;

impl Connection {
    async fn serve(mut self) {
        if let Err(Some(Close(code, reason))) = self.converse().await {
            let frame = CloseFrame { code, reason: reason.into() };
            if self.send(Message::Close(Some(frame))).await.is_err() {
                tracing::debug!("a client was gone before it was told why");
            }
        }
    }

    async fn converse(&mut self) -> Result<(), Ended> {
        let stop = self.state.stop.clone();
        let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut heard, mut busy) = (Instant::now(), Instant::now());
        loop {
            let silent_until = if self.seat.is_none() { busy + INIT_WITHIN } else { busy + IDLE };
            tokio::select! {
                () = stop.cancelled() => return Err(Some(Close::GOING_AWAY)),
                message = self.socket.recv() => {
                    heard = Instant::now();
                    self.take(message.ok_or(None)?.map_err(|_| Some(Close::BAD_REQUEST))?).await?;
                }
                Some((id, response)) = self.operations.next(), if !self.stops.is_empty() => {
                    self.tell(&id, response).await?;
                }
                _ = pings.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Err(None);
                    }
                    self.send(Message::Ping(Bytes::new())).await?;
                }
                () = sleep_until(silent_until), if self.stops.is_empty() => {
                    return Err(Some(if self.seat.is_none() { Close::INIT_TIMEOUT } else { Close::IDLE }));
                }
            }
            if !self.stops.is_empty() {
                busy = Instant::now();
            }
        }
    }

    async fn take(&mut self, message: Message) -> Result<(), Ended> {
        let text = match message {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(None),
            Message::Binary(_) => return Err(Some(Close::BAD_REQUEST)),
        };
        match serde_json::from_str(&text).map_err(|_| Some(Close::BAD_REQUEST))? {
            ClientMessage::ConnectionInit { payload } => self.init(payload.unwrap_or_default()).await,
            ClientMessage::Subscribe { id, payload } => self.subscribe(id, payload).await,
            ClientMessage::Complete { id } => {
                self.stops.remove(&id).iter().for_each(AbortHandle::abort);
                Ok(())
            }
            ClientMessage::Ping {} => self.say(protocol::pong()).await,
            ClientMessage::Pong {} => Ok(()),
        }
    }

    async fn init(&mut self, payload: Map<String, Value>) -> Result<(), Ended> {
        if self.seat.is_some() {
            return Err(Some(Close::INIT_TWICE));
        }
        let named = payload.iter().find(|(name, _)| name.eq_ignore_ascii_case(AUTHORIZATION.as_str()));
        if let Some((_, value)) = named {
            let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
            self.headers.insert(AUTHORIZATION, value.ok_or(Some(Close::FORBIDDEN))?);
        }
        let Requester(caller) = self.requester().await?;
        let seat = self.state.seats.take(caller.user_id).map_err(|_| Some(Close::TRY_LATER))?;
        self.seat = Some(seat);
        self.say(protocol::ack()).await
    }

    /// Who it is by now: a key that is revoked begins nothing more.
    async fn requester(&mut self) -> Result<Requester, Ended> {
        let requester = Requester::of(&self.state, &self.headers).await;
        requester.map_err(|problem| {
            Some(if problem.status().is_server_error() { Close::TRY_LATER } else { Close::FORBIDDEN })
        })
    }

    async fn subscribe(&mut self, id: String, payload: Map<String, Value>) -> Result<(), Ended> {
        if self.seat.is_none() {
            return Err(Some(Close::UNAUTHORIZED));
        }
        if self.stops.contains_key(&id) {
            return Err(Some(Close::ID_TAKEN));
        }
        if self.stops.len() >= MOST_OPERATIONS {
            let reason = format!("at most {MOST_OPERATIONS} operations at a time");
            return self.say(protocol::refused(&id, &[ServerError::new(reason, None)])).await;
        }
        let Requester(caller) = self.requester().await?;
        let request = match read(payload) {
            Ok(request) => request,
            Err(problem) => {
                let error = ServerError::new(problem.message(), None);
                return self.say(protocol::refused(&id, &[error])).await;
            }
        };
        let request = request.data(context(&self.state, caller, self.base_url.clone()));
        let (results, stop) = abortable(self.state.graphql.execute_stream(request));
        let name = id.clone();
        let results = results.map(move |response| (name.clone(), Some(response)));
        // Not told where it was stopped.
        let end = id.clone();
        let ended = stop.clone();
        let end = once(async move { (end, None) }).filter(move |_| {
            let stopped = ended.is_aborted();
            async move { !stopped }
        });
        self.operations.push(results.chain(end).boxed());
        self.stops.insert(id, stop);
        Ok(())
    }

    async fn tell(&mut self, id: &str, response: Option<Response>) -> Result<(), Ended> {
        let Some(response) = response else {
            self.stops.remove(id);
            return self.say(protocol::complete(id)).await;
        };
        let (message, refused) = message(id, &self.id, response).map_err(|_| None)?;
        if refused {
            self.stops.remove(id).iter().for_each(AbortHandle::abort);
        }
        self.say(message).await
    }

    async fn say(&mut self, message: String) -> Result<(), Ended> {
        self.send(Message::Text(message.into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Ended> {
        let sent = timeout(SEND_WITHIN, self.socket.send(message)).await;
        sent.map_err(|_| None)?.map_err(|_| None)
    }
}
