//! The fetch against servers on this machine. What is public to a test is what it allows.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Guarded, Refused, System};

/// The one address that tests allow, and one that stands for whatever is within.
const OUT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const WITHIN: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Answers each name with its lists of addresses, one after the other; the last one stays.
#[derive(Default)]
struct Scripted(Mutex<HashMap<String, Vec<Vec<IpAddr>>>>);

impl Scripted {
    fn with(self, name: &str, answers: &[&[Ipv4Addr]]) -> Self {
        let answers = answers.iter().map(|answer| answer.iter().map(|ip| IpAddr::V4(*ip)).collect()).collect();
        self.0.lock().unwrap().insert(name.to_owned(), answers);
        self
    }
}

impl Resolve for Scripted {
    fn resolve(&self, name: Name) -> Resolving {
        let mut names = self.0.lock().unwrap();
        let found = names
            .get_mut(name.as_str())
            .map(|answers| if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() });
        Box::pin(async move {
            let found = found.ok_or("no such name")?;
            Ok(Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

fn guarded(resolver: Scripted) -> Guarded {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Guarded::new(vec![OUT.to_string().parse().unwrap()], Arc::new(resolver))
}

/// A server on `ip` that answers each request with what is made of its path; counts its connections.
async fn server(ip: Ipv4Addr, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
    serve(TcpListener::bind((ip, 0)).await.unwrap(), answer)
}

/// The same port on both addresses.
async fn both() -> (TcpListener, TcpListener) {
    loop {
        let within = TcpListener::bind((WITHIN, 0)).await.unwrap();
        if let Ok(out) = TcpListener::bind((OUT, within.local_addr().unwrap().port())).await {
            return (out, within);
        }
    }
}

fn serve(listener: TcpListener, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
    let port = listener.local_addr().unwrap().port();
    let (calls, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(answer));
    let counted = Arc::clone(&calls);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut head = vec![0; 8 * 1024];
                let read = stream.read(&mut head).await.unwrap_or_default();
                let head = String::from_utf8_lossy(&head[..read]);
                let _ = stream.write_all(answer(head.split(' ').nth(1).unwrap_or_default()).as_bytes()).await;
                // A body without a length ends with its connection; one that is cut off must not look ended.
                tokio::time::sleep(Duration::from_millis(50)).await;
            });
        }
    });
    Server { port, calls }
}

struct Server {
    port: u16,
    calls: Arc<AtomicUsize>,
}

impl Server {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn to(location: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

#[test]
fn what_is_wrong_without_a_look_is_refused_in_every_spelling() {
    let guarded = Guarded::new(Vec::new(), Arc::new(System));
    for url in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://127.1/",
        "http://127.0.1/",
        "http://127.0.0.1./",
        "http://0/",
        "http://0.0.0.0:80/",
        "http://%31%32%37.0.0.1/",
        "http://１２７.0.0.1/",
        "http://127。0。0。1/",
        "http:\\\\127.0.0.1\\",
        "http:127.0.0.1",
        "http:///127.0.0.1/",
        "http://127.0.0.1#@example.com/",
        "http://127.0.0.1?@example.com/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
        "http://[64:ff9b::127.0.0.1]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:7f00:1::]/",
        "http://[2002:a9fe:a9fe::]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://[::127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0xa9fea9fe/",
        "http://2852039166/",
        "https://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.0.1/",
        "http://100.64.0.1/",
        "http://198.18.0.1/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
    ] {
        assert_eq!(guarded.check(url).unwrap_err(), Refused::Address, "{url}");
    }
    for (url, why) in [
        ("http://good@127.0.0.1/", Refused::Credentials),
        ("http://good:word@example.com/", Refused::Credentials),
        ("http://example.com@127.0.0.1:80/", Refused::Credentials),
        ("ftp://example.com/", Refused::Scheme),
        ("file:///etc/passwd", Refused::Scheme),
        ("data:image/png;base64,AAAA", Refused::Scheme),
        ("unix:/run/x.sock", Refused::Scheme),
        ("gopher://127.0.0.1/", Refused::Scheme),
        ("example.com/x.png", Refused::NoUrl),
        ("//example.com/x.png", Refused::NoUrl),
        ("", Refused::NoUrl),
        ("http://", Refused::NoUrl),
        ("http://[fe80::1%25eth0]/", Refused::NoUrl),
        ("http://256.0.0.1/", Refused::NoUrl),
        ("http://1.2.3.4.5/", Refused::NoUrl),
        (&format!("http://example.com/{}", "x".repeat(2_048)), Refused::NoUrl),
    ] {
        assert_eq!(guarded.check(url).unwrap_err(), why, "{url}");
    }
    for url in
        ["https://example.com/x.png", "http://1.1.1.1/", "http://[2606:4700::1111]:8080/x?y#z", "http://localhost/"]
    {
        assert!(guarded.check(url).is_ok(), "{url}");
    }
}

#[tokio::test]
async fn a_name_is_refused_for_any_address_that_is_not_public() {
    let (out, within) = both().await;
    let (out, within) = (serve(out, |_| ok("picture")), serve(within, |_| ok("secret")));
    let port = out.port;
    let names = Scripted::default()
        .with("good.example", &[&[OUT]])
        .with("bad.example", &[&[WITHIN]])
        .with("mixed.example", &[&[OUT, WITHIN]])
        .with("also.example", &[&[WITHIN, OUT]])
        .with("none.example", &[&[]]);
    let guarded = guarded(names);
    let fetch = async |host: &str| guarded.fetch(&format!("http://{host}:{port}/"), 100).await;
    assert_eq!(fetch("good.example").await.unwrap(), "picture");
    assert_eq!(fetch("127.0.0.2").await.unwrap(), "picture");
    for host in ["bad.example", "mixed.example", "also.example", "127.0.0.1", "[::ffff:127.0.0.1]"] {
        assert_eq!(fetch(host).await, Err(Refused::Address), "{host}");
    }
    for host in ["none.example", "unknown.example"] {
        assert_eq!(fetch(host).await, Err(Refused::Unknown), "{host}");
    }
    assert_eq!((out.calls(), within.calls()), (2, 0));
}

#[tokio::test]
async fn a_name_that_changes_between_looks_is_called_where_it_was_checked() {
    let (out, within) = both().await;
    let within = serve(within, |_| ok("secret"));
    let out = serve(out, |path| match path {
        "/again" => to("/picture"),
        _ => ok("picture"),
    });
    let names = Scripted::default()
        .with("once.example", &[&[OUT], &[WITHIN]])
        .with("twice.example", &[&[OUT], &[OUT], &[WITHIN]])
        .with("hop.example", &[&[OUT], &[WITHIN]]);
    let guarded = guarded(names);
    let fetch = async |host: &str, path: &str| guarded.fetch(&format!("http://{host}:{}{path}", out.port), 100).await;
    // One look for each connection, and no second one that could be answered otherwise.
    assert_eq!(fetch("once.example", "/picture").await.unwrap(), "picture");
    assert_eq!(fetch("once.example", "/picture").await, Err(Refused::Address));
    assert_eq!(fetch("twice.example", "/again").await.unwrap(), "picture", "each hop is looked up");
    assert_eq!(fetch("hop.example", "/again").await, Err(Refused::Address), "and checked");
    assert_eq!(within.calls(), 0);
}

#[tokio::test]
async fn localhost_is_no_public_name() {
    let within = server(WITHIN, |_| ok("secret")).await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let guarded = Guarded::new(Vec::new(), Arc::new(System));
    for host in ["localhost", "LOCALHOST", "localhost."] {
        let fetched = guarded.fetch(&format!("http://{host}:{}/", within.port), 100).await;
        assert!(matches!(fetched, Err(Refused::Address | Refused::Unknown)), "{host}: {fetched:?}");
    }
    assert_eq!(within.calls(), 0);
}

#[tokio::test]
async fn redirects_are_followed_by_hand_and_each_is_checked() {
    let (out, within) = both().await;
    let within = serve(within, |_| ok("secret"));
    let port = within.port;
    let out = serve(out, move |path| match path.split_once('/').unwrap().1.split_once('-') {
        Some(("hop", "0")) => ok("picture"),
        Some(("hop", left)) => to(&format!("hop-{}", left.parse::<u32>().unwrap() - 1)),
        Some(("to", where_to)) => match where_to {
            "loopback" => to(&format!("http://127.0.0.1:{port}/")),
            "decimal" => to(&format!("http://2130706433:{port}/")),
            "mapped" => to(&format!("//[::ffff:127.0.0.1]:{port}/")),
            "name" => to(&format!("http://bad.example:{port}/")),
            "user" => to(&format!("http://x@127.0.0.2:{port}/hop-0")),
            "file" => to("file:///etc/passwd"),
            "nonsense" => to("http://["),
            "relative" => to("../hop-0"),
            _ => "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
        },
        _ => ok("?"),
    });
    let guarded = guarded(Scripted::default().with("good.example", &[&[OUT]]).with("bad.example", &[&[WITHIN]]));
    let fetch = async |path: &str| guarded.fetch(&format!("http://good.example:{port}/{path}"), 100).await;
    assert_eq!(fetch("hop-5").await.unwrap(), "picture");
    assert_eq!(fetch("to-relative").await.unwrap(), "picture");
    assert_eq!(fetch("hop-6").await, Err(Refused::Redirects));
    for path in ["to-loopback", "to-decimal", "to-mapped", "to-name"] {
        assert_eq!(fetch(path).await, Err(Refused::Address), "{path}");
    }
    let redirect = |why| Err(Refused::Redirect(Box::new(why)));
    assert_eq!(fetch("to-user").await, redirect(Refused::Credentials));
    assert_eq!(fetch("to-file").await, redirect(Refused::Scheme));
    assert_eq!(fetch("to-nonsense").await, redirect(Refused::NoUrl));
    assert_eq!(fetch("to-nowhere").await, redirect(Refused::NoUrl));
    assert!(out.calls() > 10);
    assert_eq!(within.calls(), 0);
}

#[tokio::test]
async fn https_is_not_left_for_http() {
    let guarded = guarded(Scripted::default());
    let answer = |location: &str| {
        let answer = http::Response::builder().status(302).header("location", location).body("").unwrap();
        reqwest::Response::from(answer)
    };
    let from = "https://example.com/a/b".parse().unwrap();
    let next = |location: &str| guarded.next(&from, &answer(location)).map(|url| url.to_string());
    assert_eq!(next("http://example.com/"), Err(Refused::Unencrypted));
    assert_eq!(next("../c").unwrap(), "https://example.com/c");
    assert_eq!(next("//cdn.example.com/c").unwrap(), "https://cdn.example.com/c");
}

#[tokio::test]
async fn what_is_too_large_or_breaks_off_is_not_kept() {
    let out = server(OUT, |path| match path {
        "/told" => format!("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n{}", "x".repeat(101)),
        "/untold" => format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", "x".repeat(101)),
        "/full" => ok(&"x".repeat(100)),
        "/cut" => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx".to_owned(),
        "/busy" => "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_owned(),
        _ => "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_owned(),
    })
    .await;
    let guarded = guarded(Scripted::default());
    let fetch = async |path: &str| guarded.fetch(&format!("http://127.0.0.2:{}{path}", out.port), 100).await;
    assert_eq!(fetch("/full").await.unwrap().len(), 100);
    assert_eq!(fetch("/told").await, Err(Refused::TooLarge(100)));
    assert_eq!(fetch("/untold").await, Err(Refused::TooLarge(100)));
    let may_pass = async |path: &str| fetch(path).await.unwrap_err().may_pass();
    assert!(may_pass("/cut").await && may_pass("/busy").await && !may_pass("/none").await);
}

#[tokio::test]
async fn what_dribbles_is_late() {
    let listener = TcpListener::bind((OUT, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let guarded = Guarded { patience: Duration::from_millis(300), ..guarded(Scripted::default()) };
    let fetched = guarded.fetch(&format!("http://127.0.0.2:{port}/"), 1_000_000).await;
    assert_eq!(fetched, Err(Refused::Late));
}
