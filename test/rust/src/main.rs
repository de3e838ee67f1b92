//! The official Rust client against a running server. The Go test that runs it says where that is.

use std::collections::BTreeMap;
use std::env;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{anyhow, bail, ensure, Context, Result};
use convex::{ConvexClient, FunctionResult, QuerySubscription, Value};
use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long to wait for what must come: machines that run tests are busy.
const PATIENCE: Duration = Duration::from_secs(60);

type Args = BTreeMap<String, Value>;

fn args<const N: usize>(fields: [(&str, &str); N]) -> Args {
    fields.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value.to_owned()))).collect()
}

fn unique(prefix: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn texts(texts: &[&str]) -> Value {
    Value::Array(texts.iter().map(|text| Value::String((*text).to_owned())).collect())
}

fn value(result: FunctionResult) -> Result<Value> {
    match result {
        FunctionResult::Value(value) => Ok(value),
        FunctionResult::ErrorMessage(text) => bail!("the function failed: {text}"),
        FunctionResult::ConvexError(error) => bail!("the function failed: {error:?}"),
    }
}

fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => fields.get(name),
        _ => None,
    }
}

/// Takes values of a subscription until `want` comes, and returns those before it.
async fn until(subscription: &mut QuerySubscription, want: &Value) -> Result<Vec<Value>> {
    let mut before = Vec::new();
    loop {
        let next = timeout(PATIENCE, subscription.next()).await;
        let got = match next {
            Err(_) => bail!("{want:?} has not come; before it came {before:?}"),
            Ok(None) => bail!("the subscription ended; before that came {before:?}"),
            Ok(Some(result)) => value(result)?,
        };
        if got == *want {
            return Ok(before);
        }
        before.push(got);
    }
}

/// One HTTP request to the test's own helpers, which answer and close.
async fn ask(method: &str, url: &str) -> Result<String> {
    let rest = url.strip_prefix("http://").context("not an http address")?;
    let (host, path) = rest.split_once('/').context("no path")?;
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(format!("{method} /{path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no body")?;
    ensure!(head.split(' ').nth(1) == Some("200"), "{method} {url}: {head}");
    Ok(body.to_owned())
}

async fn token(query: &str) -> Result<String> {
    ask("GET", &format!("{}/token?{query}", env::var("RUNLOG_TEST_ISSUER")?)).await
}

async fn connect() -> Result<ConvexClient> {
    ConvexClient::new(&env::var("RUNLOG_TEST_URL")?).await
}

async fn call() -> Result<()> {
    let mut client = connect().await?;
    let channel = unique("call");
    let list = || args([("channel", &channel)]);
    ensure!(value(client.query("messages:list", list()).await?)? == texts(&[]));
    let sent = value(client.mutation("messages:send", args([("channel", &channel), ("body", "hi")])).await?)?;
    ensure!(matches!(&sent, Value::String(id) if id.len() == 32), "the id is {sent:?}");
    ensure!(value(client.query("messages:list", list()).await?)? == texts(&["hi"]));
    let acted = value(client.action("effects:twoMessages", list()).await?)?;
    ensure!(acted == texts(&["hi", "one", "two"]), "the action gave {acted:?}");
    Ok(())
}

async fn errors() -> Result<()> {
    let mut client = connect().await?;
    match client.query("errors:throws", Args::new()).await? {
        FunctionResult::ErrorMessage(text) => ensure!(text.contains("out of cheese"), "the error is {text}"),
        other => bail!("a query that throws gave {other:?}"),
    }
    let data = Value::Object(args([("why", "because")]));
    match client.mutation("errors:convexError", Args::from([("data".to_owned(), data.clone())])).await? {
        FunctionResult::ConvexError(error) => ensure!(error.data == data, "the data is {:?}", error.data),
        other => bail!("a mutation that throws data gave {other:?}"),
    }
    Ok(())
}

async fn subscribe() -> Result<()> {
    let (mut client, mut other) = (connect().await?, connect().await?);
    let channel = unique("subscribe");
    let mut watch = client.subscribe("messages:list", args([("channel", &channel)])).await?;
    until(&mut watch, &texts(&[])).await?;
    let mut sent = Vec::new();
    for body in ["one", "two", "three"] {
        sent.push(body);
        value(other.mutation("messages:send", args([("channel", &channel), ("body", body)])).await?)?;
        let before = until(&mut watch, &texts(&sent)).await?;
        ensure!(before.is_empty(), "values came that no moment had: {before:?}");
    }
    Ok(())
}

async fn user() -> Result<()> {
    let mut client = connect().await?;
    let channel = unique("user");
    ensure!(value(client.query("effects:whoami", Args::new()).await?)? == Value::Null);
    client.set_auth(Some(token("sub=ada").await?)).await;
    let identity = value(client.query("effects:whoami", Args::new()).await?)?;
    ensure!(field(&identity, "subject") == Some(&Value::String("ada".to_owned())), "the identity is {identity:?}");
    let mut watch = client.subscribe("auth:notes", args([("channel", &channel)])).await?;
    until(&mut watch, &texts(&[])).await?;
    value(client.mutation("auth:note", args([("channel", &channel), ("body", "mine")])).await?)?;
    until(&mut watch, &texts(&["mine"])).await?;
    client.set_auth(Some(token("sub=bob").await?)).await;
    until(&mut watch, &texts(&[])).await?; // the live query is another user's now
    client.set_auth(None).await;
    ensure!(value(client.query("effects:whoami", Args::new()).await?)? == Value::Null);
    Ok(())
}

async fn restart() -> Result<()> {
    let mut client = connect().await?;
    let channel = unique("restart");
    client.set_auth(Some(token("sub=ada").await?)).await;
    let mut watch = client.subscribe("messages:list", args([("channel", &channel)])).await?;
    until(&mut watch, &texts(&[])).await?;
    value(client.mutation("messages:send", args([("channel", &channel), ("body", "before")])).await?)?;
    until(&mut watch, &texts(&["before"])).await?;
    for order in ["stop", "start"] {
        ask("POST", &format!("{}/{order}", env::var("RUNLOG_TEST_CONTROL")?)).await?;
    }
    value(client.mutation("messages:send", args([("channel", &channel), ("body", "after")])).await?)?;
    let before = until(&mut watch, &texts(&["before", "after"])).await?;
    ensure!(before.iter().all(|got| *got == texts(&["before"])), "after the restart came {before:?}");
    let identity = value(client.query("effects:whoami", Args::new()).await?)?;
    ensure!(field(&identity, "subject") == Some(&Value::String("ada".to_owned())), "after the restart the identity is {identity:?}");
    Ok(())
}

type Test = Pin<Box<dyn Future<Output = Result<()>>>>;

#[tokio::main]
async fn main() -> ExitCode {
    let tests: [(&str, Test); 5] = [
        ("call", Box::pin(call())),
        ("errors", Box::pin(errors())),
        ("subscribe", Box::pin(subscribe())),
        ("user", Box::pin(user())),
        ("restart", Box::pin(restart())),
    ];
    let mut failed = false;
    for (name, test) in tests {
        let result = timeout(5 * PATIENCE, test).await.unwrap_or_else(|_| Err(anyhow!("it has not ended in {:?}", 5 * PATIENCE)));
        match result {
            Ok(()) => println!("ok      {name}"),
            Err(error) => {
                failed = true;
                println!("FAILED  {name}: {error:?}");
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
