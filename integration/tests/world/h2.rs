//! An HTTP/2 client without TLS, for many streams on one connection.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderName, HeaderValue, Request};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::PATIENCE;

/// One connection; it lives on a thread of its own.
pub struct Connection {
    runtime: Runtime,
    client: SendRequest<Bytes>,
}

/// A request under way. Dropped, its stream goes on; see [`Pending::abort`].
pub struct Pending(JoinHandle<Result<Answer, String>>);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let (client, connection) = runtime.block_on(async {
            let stream = TcpStream::connect(address)
                .await
                .expect("the gateway listens");
            h2::client::Builder::new()
                .initial_window_size(1 << 20)
                .initial_connection_window_size(1 << 26)
                .handshake(stream)
                .await
                .expect("an HTTP/2 connection")
        });
        runtime.spawn(async move {
            // Its end is seen by every stream.
            let _ = connection.await;
        });
        Self { runtime, client }
    }

    /// Sends a GET without a body.
    pub fn get(&self, path: &str) -> Pending {
        self.send(&[(":method", b"GET"), (":path", path.as_bytes())], None)
    }

    /// Sends a request with these fields, and a body if there is one.
    pub fn send(&self, fields: &[(&str, &[u8])], body: Option<Bytes>) -> Pending {
        let field = |name: &str| {
            let found = fields.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| *value)
        };
        let path = String::from_utf8_lossy(field(":path").unwrap_or(b"/")).into_owned();
        let mut request = Request::builder()
            .method(field(":method").unwrap_or(b"GET"))
            .uri(format!("http://gateway.example{path}"));
        for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with(':')) {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
            let value = HeaderValue::from_bytes(value).expect("a header's value");
            request = request.header(name, value);
        }
        let request = request.body(()).expect("a request");
        let client = self.client.clone();
        Pending(self.runtime.spawn(async move {
            match timeout(PATIENCE, exchange(client, request, body)).await {
                Ok(result) => result.map_err(|error| error.to_string()),
                Err(_) => Err(format!("no answer within {PATIENCE:?}")),
            }
        }))
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// The stream was reset, or the connection ended.
    pub fn finish(&self, pending: Pending) -> Result<Answer, String> {
        self.runtime
            .block_on(pending.0)
            .map_err(|error| error.to_string())?
    }
}

impl Pending {
    /// The client leaves: its stream is reset.
    pub fn abort(self) {
        self.0.abort();
    }
}

async fn exchange(
    client: SendRequest<Bytes>,
    request: Request<()>,
    body: Option<Bytes>,
) -> Result<Answer, h2::Error> {
    let mut client = client.ready().await?;
    let (response, mut sender) = client.send_request(request, body.is_none())?;
    if let Some(body) = body {
        // The gateway may have answered, and closed the stream, before the body is there.
        let _ = sender.send_data(body, true);
    }
    let (head, mut stream) = response.await?.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = stream.data().await {
        let piece = piece?;
        stream.flow_control().release_capacity(piece.len())?;
        body.extend_from_slice(&piece);
    }
    Ok(Answer {
        status: head.status.as_u16(),
        body,
    })
}
