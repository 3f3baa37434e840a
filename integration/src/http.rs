//! HTTP as the launcher needs it: small answers from hosts that it started itself, whatever their status.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

/// An answer that came, whatever it says.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// In the order that they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of that name, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text, where it is text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// No answer came.
#[derive(Debug, thiserror::Error)]
#[error("{method} {url}: {why}")]
pub struct NoAnswer {
    method: &'static str,
    url: String,
    why: String,
}

/// A connection for each request, so that none outlives the host that it was made to.
static AGENT: LazyLock<ureq::Agent> = LazyLock::new(|| {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into()
});

/// Bodies are read whole; an archive of the tests has some 70 MB.
const MAX_BODY: u64 = 256 * 1024 * 1024;

/// GET.
///
/// # Errors
/// No answer came.
pub fn get(address: SocketAddr, path: &str) -> Result<Answer, NoAnswer> {
    get_with(address, path, &[])
}

/// GET with further headers.
///
/// # Errors
/// No answer came.
pub fn get_with(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Answer, NoAnswer> {
    let url = format!("http://{address}{path}");
    let request = headers
        .iter()
        .fold(AGENT.get(&url), |request, (name, value)| {
            request.header(*name, *value)
        });
    let answer = request.call().and_then(read);
    answer.map_err(|error| NoAnswer {
        method: "GET",
        url,
        why: error.to_string(),
    })
}

/// Any method, with a body.
///
/// # Errors
/// No answer came.
pub fn send(
    method: &'static str,
    address: SocketAddr,
    path: &str,
    body: impl AsRef<[u8]>,
) -> Result<Answer, NoAnswer> {
    let url = format!("http://{address}{path}");
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(&url)
        .body(body.as_ref().to_vec());
    let answer = request
        .map_err(ureq::Error::from)
        .and_then(|request| AGENT.run(request))
        .and_then(read);
    answer.map_err(|error| NoAnswer {
        method,
        url,
        why: error.to_string(),
    })
}

/// GET from a socket of the file system; tells the status and nothing else.
///
/// # Errors
/// No answer came.
pub fn status_from_socket(socket: &Path, host: &str, path: &str) -> Result<u16, NoAnswer> {
    let ask = || -> std::io::Result<Option<u16>> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer)
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok()))
    };
    let refuse = |why: String| NoAnswer {
        method: "GET",
        url: format!("{}:{path}", socket.display()),
        why,
    };
    ask()
        .map_err(|error| refuse(error.to_string()))?
        .ok_or_else(|| refuse("expected an HTTP answer".to_owned()))
}

fn read(response: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    let (head, mut body) = response.into_parts();
    let headers = head.headers.iter().map(|(name, value)| {
        (
            name.to_string(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    });
    Ok(Answer {
        status: head.status.as_u16(),
        headers: headers.collect(),
        body: body.with_config().limit(MAX_BODY).read_to_vec()?,
    })
}
