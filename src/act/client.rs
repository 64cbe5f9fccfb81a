//! How the API server is reached.

use super::transport::chain;
use crate::decide::one_line;
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use std::error::Error;
use std::path::Path;
use std::time::Duration;
use tower::ServiceBuilder;

/// A destructive call must not wait for a connection until its judgement is stale.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How many connections are kept for later: as many as are in use at a time, unless many nodes are
/// told of or lost at once.
const IDLE: usize = 32;

/// How long they are kept: longer than a sweep's period, so that one stays.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// What a connection may buffer of an answer. It keeps its buffer, and hyper would let it grow to
/// 400 KiB at the list of nodes, one connection after another.
const BUFFER: usize = 16 * 1024;

/// Connects with that kubeconfig, or as a pod of the cluster does; nothing is sent yet.
///
/// # Errors
/// One line that says what is wrong with the file, or what to give.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, String> {
    let config = match kubeconfig {
        Some(path) => {
            let failed = |error: KubeconfigError| {
                let why = match &error {
                    // It would say the path once more.
                    KubeconfigError::ReadConfig(error, _) => error.to_string(),
                    error => chain(error),
                };
                let path = one_line(&path.to_string_lossy(), 512);
                format!("--kubeconfig {path:?}: {why}; give a file that kubectl can use")
            };
            let file = Kubeconfig::read_from(path).map_err(failed)?;
            let options = KubeConfigOptions::default();
            Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(failed)?
        }
        None => Config::incluster().map_err(|error| {
            format!(
                "not in a cluster ({}); give --kubeconfig PATH, or run as a pod with a \
                 ServiceAccount",
                chain(&error)
            )
        })?,
    };
    client(&config).map_err(|error| {
        format!(
            "cannot set up the connection to the API server: {}",
            chain(&*error)
        )
    })
}

/// As kube makes one, but for the bounds above and without its retries: a DELETE must not be repeated
/// behind our back when its judgement is stale.
fn client(config: &Config) -> Result<Client, Box<dyn Error>> {
    if config.proxy_url.is_some() {
        // Its URL may hold a password.
        let why = "no proxy can be used; take proxy-url out of the kubeconfig, or HTTPS_PROXY out of \
                   the environment";
        return Err(why.into());
    }
    let mut connector = TimeoutConnector::new(config.rustls_https_connector()?);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let http = legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE)
        .http1_max_buf_size(BUFFER)
        .build::<_, Body>(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(tower::BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Barrier;
    use tokio::task::JoinSet;

    const AT_ONCE: usize = 100;

    fn url(address: std::net::SocketAddr) -> http::Uri {
        format!("http://{address}").parse().expect("a URL")
    }

    /// Answers one request after another, each once so many have come.
    async fn answer(mut stream: TcpStream, all: &Barrier, answer: &[u8]) -> std::io::Result<()> {
        let mut request = Vec::new();
        loop {
            while !request.ends_with(b"\r\n\r\n") {
                if stream.read_buf(&mut request).await? == 0 {
                    return Ok(());
                }
            }
            request.clear();
            all.wait().await;
            stream.write_all(answer).await?;
        }
    }

    /// A server that answers so, to `at_once` requests at a time; and how many connections are open.
    async fn serve(
        says: &'static [u8],
        at_once: usize,
    ) -> (std::net::SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (all, open) = (Arc::new(Barrier::new(at_once)), Arc::default());
        let now_open: Arc<AtomicUsize> = Arc::clone(&open);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (all, open) = (all.clone(), open.clone());
                open.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    // Whoever hangs up may do so by a reset.
                    let _ = answer(stream, &all, says).await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        (address, now_open)
    }

    async fn get(client: &Client) -> Result<(), String> {
        let request = http::Request::get("/version").body(Body::empty());
        let answer = client.send(request.expect("a request")).await;
        let body = answer.map_err(|error| chain(&error))?.into_body();
        let body = body.collect().await.map_err(|error| chain(&error))?;
        assert_eq!(body.to_bytes(), "{}");
        Ok(())
    }

    async fn come_down_to(open: &AtomicUsize, few: usize) {
        let closed = async {
            while open.load(Ordering::SeqCst) > few {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let patience = Duration::from_secs(30);
        tokio::time::timeout(patience, closed)
            .await
            .expect("closed");
    }

    #[tokio::test]
    async fn of_many_connections_only_some_are_kept() {
        let says = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        let (address, open) = serve(says, AT_ONCE).await;
        let client = client(&Config::new(url(address))).expect("a client");
        let ask = |_| {
            let client = client.clone();
            async move { get(&client).await.expect("an answer") }
        };
        let asked: JoinSet<()> = (0..AT_ONCE).map(ask).collect();
        asked.join_all().await;
        come_down_to(&open, IDLE).await;
    }

    #[tokio::test]
    async fn nothing_is_asked_twice_behind_our_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let unavailable = axum::Router::new().fallback(move || {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::ready((http::StatusCode::SERVICE_UNAVAILABLE, "not now"))
        });
        tokio::spawn(async { axum::serve(listener, unavailable).await });
        let url = format!("http://{address}").parse().expect("a URL");
        let client = client(&Config::new(url)).expect("a client");
        let request = http::Request::delete("/api/v1/namespaces/a/pods/p").body(Body::empty());
        let answer = client.send(request.expect("a request")).await;
        assert_eq!(answer.expect("an answer").status(), 503);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    /// What is listening there never takes a connection: its queue is full.
    #[tokio::test]
    async fn a_connection_that_does_not_come_about_is_given_up() {
        use socket2::{Domain, Socket, Type};
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&any.into()).expect("a port");
        socket.listen(0).expect("a queue of one");
        let address = socket.local_addr().expect("an address");
        let address = address.as_socket().expect("an address");
        let _queued = TcpStream::connect(address).await.expect("the one");
        let client = client(&Config::new(url(address))).expect("a client");
        let request = http::Request::get("/version").body(Body::empty());
        // The kernel would try for two minutes.
        let patience = Duration::from_secs(30);
        let answer = client.send(request.expect("a request"));
        let answer = tokio::time::timeout(patience, answer).await;
        let error = answer.expect("given up").expect_err("no connection");
        assert!(chain(&error).contains("deadline has elapsed"), "{error:?}");
    }

    #[tokio::test]
    async fn a_connection_that_nobody_needs_is_closed_and_none_buffers_much() {
        let (address, open) = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 1).await;
        let asks = client(&Config::new(url(address))).expect("a client");
        get(&asks).await.expect("an answer");
        assert_eq!(open.load(Ordering::SeqCst), 1);
        tokio::time::pause();
        tokio::time::advance(IDLE_TIMEOUT - Duration::from_secs(1)).await;
        tokio::time::resume();
        get(&asks)
            .await
            .expect("an answer over the same connection");
        assert_eq!(open.load(Ordering::SeqCst), 1);
        tokio::time::pause();
        tokio::time::advance(2 * IDLE_TIMEOUT).await;
        tokio::time::resume();
        come_down_to(&open, 0).await;

        let mut long = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nlong: ".to_vec();
        long.resize(BUFFER + 1, b'x');
        long.extend(b"\r\n\r\n{}");
        let (address, _) = serve(long.leak(), 1).await;
        let asks = client(&Config::new(url(address))).expect("a client");
        let error = get(&asks).await.expect_err("too long");
        assert!(error.contains("message head is too large"), "{error}");
    }

    #[test]
    fn a_proxy_is_refused_without_its_password() {
        let mut config = Config::new("https://api.example.com".parse().expect("a URL"));
        config.proxy_url = Some("http://me:secret@proxy.example.com".parse().expect("a URL"));
        let line = client(&config).err().expect("refused").to_string();
        assert!(
            line.contains("proxy-url") && !line.contains("secret"),
            "{line}"
        );
    }

    #[tokio::test]
    async fn an_odd_path_is_refused_in_one_line() {
        for (path, why) in [
            (b"/nowhere/k".to_vec(), "No such file"),
            (b"/".to_vec(), "Is a directory"),
            (b"/no\n\x1b[2J/\xff".to_vec(), "No such file"),
            ("/nо/\u{202e}k".into(), "No such file"),
            (vec![b'x'; 1_000_000], "File name too long"),
            (b"/no\0".to_vec(), "NUL byte"),
        ] {
            let path = PathBuf::from(OsString::from_vec(path));
            let Err(line) = connect(Some(&path)).await else {
                panic!("{path:?} was read");
            };
            assert!(line.starts_with("--kubeconfig "), "{line}");
            assert!(line.contains(why), "{line}");
            assert!(!line.contains(char::is_control), "{line:?}");
            assert!(line.len() < 1000, "{line}");
        }
    }
}
