//! One request: whose it is, what goes wrong with it, what it is answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use caigunn_bridge::http::Connection;
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use serde_json::Value;

use super::cdn;
use super::errors::Refusal;
use super::faults::Fault;
use super::form::Form;
use super::rates::Bucket;
use super::routes::{Call, Route, route};
use super::state::{Attempt, Inner, Shared};
use super::{APPLICATION, commands, reads, responses, send, threads};

/// What a call that went well is answered.
pub(super) enum Reply {
    Json(Value),
    /// 201
    Created(Value),
    /// 204
    Empty,
}

struct Answer {
    status: u16,
    body: String,
    kind: &'static str,
    headers: Vec<(&'static str, String)>,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        let (status, body) = match reply {
            Reply::Json(value) => (200, value.to_string()),
            Reply::Created(value) => (201, value.to_string()),
            Reply::Empty => (204, String::new()),
        };
        Self { status, body, kind: "application/json", headers: Vec::new() }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let mut headers = Vec::new();
        if let Some((seconds, scope)) = refusal.rest {
            headers.push(("retry-after", format!("{}", seconds.ceil())));
            headers.push(("x-ratelimit-scope", scope.to_owned()));
            if scope == "global" {
                headers.push(("x-ratelimit-global", "true".to_owned()));
            }
        }
        Self { status: refusal.status, body: refusal.body.to_string(), kind: "application/json", headers }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::builder().status(StatusCode::from_u16(self.status).unwrap());
        if self.status != 204 {
            response = response.header(CONTENT_TYPE, self.kind);
        }
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(self.body)).unwrap()
    }
}

pub(super) async fn entry(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response {
    let path = request.uri().path().to_owned();
    if let Some(file) = cdn::FOLDERS.iter().find_map(|folder| path.strip_prefix(folder)) {
        let query = request.uri().query().unwrap_or_default();
        if request.headers().contains_key(AUTHORIZATION) {
            shared.lock().violation(format!("the token shown to the host of {path}"));
        }
        return cdn::download(&shared, &connection, &path, file, query).await;
    }
    let route = {
        let header = |name| request.headers().get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let mut inner = shared.lock();
        // <https://discord.com/developers/docs/reference#user-agent>
        if !header(USER_AGENT).is_some_and(|agent| agent.starts_with("DiscordBot (")) {
            inner.violation(format!("{path} without a user agent as Discord wants it"));
        }
        let found = path.strip_prefix("/api/v10/").ok_or_else(Refusal::not_found);
        let found = found.and_then(|path| route(request.method(), path));
        found.and_then(|route| inner.admits(&route, header(AUTHORIZATION)).map(|()| route)).inspect_err(|refused| {
            if refused.status != 401 {
                inner.violation(format!("{} {path} is no call", request.method()));
            }
            inner.count(&Answer::from(refused.clone()));
            let text = Some(path.clone());
            inner.attempts.push(Attempt {
                route: "refused",
                channel: None,
                text,
                status: refused.status,
                at: Instant::now(),
            });
        })
    };
    match route {
        Ok(route) => match Form::read(request).await {
            Ok(form) => call(&shared, &connection, route, form).await,
            Err(refused) => {
                shared.lock().violation(format!("{} with a body that cannot be read", route.name));
                Answer::from(refused).into_response()
            }
        },
        Err(refused) => Answer::from(refused).into_response(),
    }
}

async fn call(shared: &Arc<Shared>, connection: &Connection, route: Route, form: Form) -> Response {
    let bucket = Bucket { route: route.name, about: route.about.clone(), free: route.by_token };
    let (attempt, channel, fault) = shared.lock().begin(&route, &form);
    let sends = matches!(route.call, Call::Send(_) | Call::FollowUp(_) | Call::EditOriginal(_));
    let _open = channel.filter(|_| sends).map(|channel| Open::new(shared, channel));
    let end = |answer: Answer| shared.end(attempt, &bucket, answer);
    match &fault {
        Some(Fault::Refuse(status, code, message)) => return end(Refusal::new(*status, *code, message).into()),
        Some(Fault::Answer(status, body)) => {
            let body = (*body).to_owned();
            return end(Answer { status: *status, body, kind: "text/html", headers: Vec::new() });
        }
        Some(Fault::RetryAfter(seconds)) => return end(shared.rests(Some(&bucket), *seconds, "user")),
        Some(Fault::RetryAfterShared(seconds)) => return end(shared.rests(Some(&bucket), *seconds, "shared")),
        Some(Fault::RetryAfterAll(seconds)) => return end(shared.rests(None, *seconds, "global")),
        Some(Fault::Reset) => return cut(connection).await,
        Some(Fault::Hang) => return std::future::pending().await,
        Some(Fault::Slow(wait)) => tokio::time::sleep(*wait).await,
        _ => {}
    }
    let mut answer = shared.lock().admitted(&route, &bucket, &form);
    if matches!(fault, Some(Fault::ProcessedThenReset | Fault::ProcessedThenHang | Fault::Truncated)) {
        shared.lock().unheard(&route.call);
    }
    match fault {
        Some(Fault::ProcessedThenReset) => return cut(connection).await,
        Some(Fault::ProcessedThenHang) => return std::future::pending().await,
        Some(Fault::Truncated) => {
            let half = (0..=answer.body.len() / 2).rev().find(|at| answer.body.is_char_boundary(*at));
            answer.body.truncate(half.unwrap());
        }
        _ => {}
    }
    end(answer)
}

async fn cut(connection: &Connection) -> Response {
    connection.reset();
    std::future::pending().await
}

impl Shared {
    fn rests(&self, bucket: Option<&Bucket>, seconds: f64, scope: &'static str) -> Answer {
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        self.lock().traffic.rest(bucket.cloned(), until, scope);
        Refusal::rest(seconds, scope).into()
    }

    fn end(&self, attempt: usize, bucket: &Bucket, mut answer: Answer) -> Response {
        let mut inner = self.lock();
        inner.attempts[attempt].status = answer.status;
        inner.count(&answer);
        answer.headers.extend(inner.traffic.headers(bucket));
        answer.into_response()
    }
}

impl Inner {
    fn admits(&self, route: &Route, authorization: Option<&str>) -> Result<(), Refusal> {
        if route.by_token || matches!(route.call, Call::Gateway) {
            return if route.application.is_some_and(|id| id != APPLICATION) {
                Err(Refusal::unknown_webhook())
            } else {
                Ok(())
            };
        }
        let token = authorization.and_then(|value| value.strip_prefix("Bot "));
        if token != Some(&self.token) {
            return Err(Refusal::unauthorized());
        }
        match route.application {
            Some(id) if id != APPLICATION => Err(Refusal::missing_access()),
            _ => Ok(()),
        }
    }

    /// Writes a call down, and finds out what goes wrong with it.
    fn begin(&mut self, route: &Route, form: &Form) -> (usize, Option<u64>, Option<Fault>) {
        let channel = route.channel.or_else(|| self.channel_of_token(&route.call));
        let text = form.fields.get("content").or_else(|| form.fields.get("data")?.get("content"));
        let text = text.and_then(Value::as_str).map(str::to_owned);
        let attempt = Attempt { route: route.name, channel, text, status: 0, at: Instant::now() };
        let fault = self.fault(&attempt);
        self.attempts.push(attempt);
        (self.attempts.len() - 1, channel, fault)
    }

    /// The same for a file.
    pub(super) fn begin_file(&mut self, path: &str) -> (usize, Option<Fault>) {
        let attempt =
            Attempt { route: "cdn", channel: None, text: Some(path.to_owned()), status: 0, at: Instant::now() };
        let fault = self.fault(&attempt);
        self.attempts.push(attempt);
        (self.attempts.len() - 1, fault)
    }

    /// An invalid request, unless somebody else's limit is the cause.
    fn count(&mut self, answer: &Answer) {
        let shared = answer.headers.iter().any(|(_, value)| value == "shared");
        if matches!(answer.status, 401 | 403 | 429) && !shared {
            self.invalid_requests += 1;
        }
    }

    fn admitted(&mut self, route: &Route, bucket: &Bucket, form: &Form) -> Answer {
        let mut violations = Vec::new();
        let admitted = self.traffic.admit(bucket, &mut violations);
        self.violations.append(&mut violations);
        match admitted.and_then(|()| self.process(route, form)) {
            Ok(reply) => reply.into(),
            Err(refused) => refused.into(),
        }
    }

    fn process(&mut self, route: &Route, form: &Form) -> Result<Reply, Refusal> {
        let (fields, query) = known(&route.call);
        for stranger in form.strangers(fields, query) {
            self.violation(format!("{} has no `{stranger}`", route.name));
        }
        match &route.call {
            Call::Send(channel) => send::create(self, *channel, form),
            Call::Edit(channel, message) => send::edit(self, *channel, *message, form),
            Call::Delete(channel, message) => send::delete(self, *channel, *message),
            Call::Typing(channel) => send::typing(self, *channel),
            Call::OpenDm => threads::open_dm(self, form),
            Call::ThreadOn(channel, message) => threads::on_message(self, *channel, *message, form),
            Call::Thread(channel) => threads::create(self, *channel, form),
            Call::JoinThread(thread) => threads::join(self, *thread),
            Call::Callback(id, token) => responses::callback(self, *id, token, form),
            Call::Original(token) => responses::original(self, token),
            Call::EditOriginal(token) => responses::edit_original(self, token, form),
            Call::DeleteOriginal(token) => responses::delete_original(self, token),
            Call::FollowUp(token) => responses::follow_up(self, token, form),
            Call::EditFollowUp(token, message) => responses::edit_follow_up(self, token, *message, form),
            Call::GetCommands(guild) => commands::list(self, *guild),
            Call::PutCommands(guild) => commands::replace(self, *guild, form),
            Call::PostCommand(guild) => commands::upsert(self, *guild, form),
            Call::PatchCommand(guild, id) => commands::patch(self, *guild, *id, form),
            Call::DeleteCommand(guild, id) => commands::delete(self, *guild, *id),
            call => reads::read(self, call, form),
        }
    }
}

/// The fields and parameters that a call has.
fn known(call: &Call) -> (&'static [&'static str], &'static [&'static str]) {
    match call {
        Call::Send(_) => (send::FIELDS, &[]),
        Call::Edit(..) => (send::EDIT_FIELDS, &[]),
        Call::EditOriginal(_) | Call::EditFollowUp(..) => (send::EDIT_FIELDS, &["thread_id", "with_components"]),
        Call::FollowUp(_) => (responses::FIELDS, &["wait", "thread_id", "with_components"]),
        Call::Callback(..) => (&["type", "data"], &["with_response"]),
        Call::OpenDm => (&["recipient_id"], &[]),
        Call::ThreadOn(..) => (&["name", "auto_archive_duration", "rate_limit_per_user"], &[]),
        Call::Thread(_) => (threads::FIELDS, &[]),
        Call::History(_) => (&[], &["around", "before", "after", "limit"]),
        Call::Guild(_) => (&[], &["with_counts"]),
        Call::GetCommands(_) => (&[], &["with_localizations"]),
        Call::ThreadMembers(_) => (&[], &["with_member", "after", "limit"]),
        Call::PostCommand(_) | Call::PatchCommand(..) => (commands::FIELDS, &[]),
        _ => (&[], &[]),
    }
}

/// A send that is worked on, until it is answered or the client goes.
struct Open<'a>(&'a Shared, u64);

impl<'a> Open<'a> {
    fn new(shared: &'a Shared, channel: u64) -> Self {
        let mut inner = shared.lock();
        let open = inner.open.entry(channel).or_default();
        *open += 1;
        if *open > 1 {
            inner.overlaps += 1;
        }
        Self(shared, channel)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        let open = inner.open.get_mut(&self.1).unwrap();
        *open -= 1;
    }
}
