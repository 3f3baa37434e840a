//! `goproxy-launch run`: a gateway in the foreground.

use std::io::Write as _;
use std::process::ExitStatus;
use std::time::Duration;

use crate::events::Lines;
use crate::gateway::Gateway;
use crate::interrupt;
use crate::running::Running;
use crate::settings::Settings;

/// What the filter has to tell leaves with a request that ends, whoever asked: so often one is made. Elsewhere that is what
/// a probe of readiness does.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Serves until a signal comes or Envoy ends.
///
/// # Errors
/// What a person has to read: the gateway did not start, or Envoy ended by itself.
pub fn run(settings: Settings) -> Result<(), Box<dyn std::error::Error>> {
    interrupt::catch()?;
    let notes = notes(&settings);
    let upstreams: Vec<String> = settings
        .upstreams
        .iter()
        .map(|link| link.url.to_string())
        .collect();
    let own_configuration = settings.config.is_some();
    eprintln!(
        "starting Envoy on {}, {}",
        settings.listen,
        if own_configuration {
            "with the configuration of CONFIG".to_owned()
        } else {
            let redis = settings.redis.as_ref();
            let redis = redis.map(|redis| format!(", Redis behind {redis}"));
            format!(
                "upstream {}{}",
                upstreams.join(", "),
                redis.unwrap_or_default()
            )
        }
    );
    let gateway = Gateway::of(settings).inherit_stdout();
    for target in gateway.unknown_targets()? {
        eprintln!(
            "warning: CONFIG: no cluster is called {target:?}, expected CLUSTERS=\"{target}=http://..\" to name it"
        );
    }
    let running = match gateway.start() {
        Ok(running) => running,
        Err(_) if interrupt::exit_code().is_some() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    announce(&running, &notes)?;
    let exit = serve(&running);
    if interrupt::exit_code().is_none() {
        return Err(format!(
            "Envoy ended by itself ({exit}); its log ends with\n{}",
            running.log_tail()
        )
        .into());
    }
    eprintln!("stopped");
    Ok(())
}

/// Until Envoy ends. Without nginx it goes on, and a person is told.
fn serve(running: &Running) -> ExitStatus {
    std::thread::scope(|scope| {
        if let Some(nginx) = running.nginx() {
            scope.spawn(|| {
                let exit = nginx.child().wait();
                if running.child().exit().is_none() && interrupt::exit_code().is_none() {
                    eprintln!(
                        "warning: nginx ended by itself ({exit}): archives come from the upstreams; it said\n{}",
                        nginx.log()
                    );
                }
            });
        }
        let exit = loop {
            if let Some(exit) = running.child().wait_at_most(PROBE_EVERY) {
                break exit;
            }
            // One that is not answered is asked again soon; clients see more than this does.
            let _ = running.probe();
        };
        if let Some(nginx) = running.nginx() {
            nginx.stop();
        }
        exit
    })
}

fn announce(running: &Running, notes: &[String]) -> std::io::Result<()> {
    eprintln!(
        "admin pages on http://{}, ready after {} ms",
        running.admin(),
        running.started_in().as_millis()
    );
    if let Some(nginx) = running.nginx() {
        eprintln!("{}", nginx.about());
    }
    for note in notes {
        eprintln!("note: {note}");
    }
    // On standard output: the line that scripts wait for.
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "ready  go env -w GOPROXY={}", running.url())?;
    stdout.flush()
}

/// What a person must know beyond GOPROXY.
fn notes(settings: &Settings) -> Vec<String> {
    let mut notes = vec![events(settings)];
    if settings.config.is_none() {
        let has_default = settings
            .sumdb
            .iter()
            .any(|database| database.name == "sum.golang.org");
        let others: Vec<&str> = settings
            .sumdb
            .iter()
            .map(|database| database.name.as_str())
            .filter(|name| *name != "sum.golang.org")
            .collect();
        if !others.is_empty() {
            notes.push(format!(
                "for the database {} set GOSUMDB to its key: name+hash+key",
                others.join(", ")
            ));
        } else if has_default {
            notes.push(
                "GOSUMDB stays as it is: checksums of sum.golang.org come through the gateway"
                    .to_owned(),
            );
        }
    }
    if let Some(tls) = &settings.tls {
        notes.push("clients need the CA of the certificate: SSL_CERT_FILE=ca.pem".to_owned());
        if tls.client_ca.is_some() {
            notes.push("clients need a certificate; `go` cannot present one (golang/go#30119): a sidecar can".to_owned());
        }
    }
    notes
}

/// Where records of failed downloads go.
fn events(settings: &Settings) -> String {
    let lines = match &settings.events {
        Lines::Stdout => "on standard output, behind the line that says ready".to_owned(),
        Lines::File(path) => format!("in {}", path.display()),
    };
    let collector = settings.events_http.as_ref();
    let collector = collector.map(|collector| format!(", and to {collector}"));
    let as_configured = if settings.config.is_some() {
        ", as far as CONFIG says so"
    } else {
        ""
    };
    format!(
        "a record of each failed download, a line of JSON, comes {lines}{}{as_configured}",
        collector.unwrap_or_default()
    )
}
