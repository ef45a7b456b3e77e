//! Metrics are arrays of counters without a lock, shown to operators in the form that Prometheus reads.
//!
//! Every label has a closed set of values: a listener, an endpoint, an outcome, a reason. Nothing that a caller sends is one.

use crate::footprint;
use crate::listener::Face;
use crate::rotation::KeyFigures;
use crate::tls::TlsState;
use jeton_core::event::{Event, Outcome};
use jeton_core::refusal::TABLE;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The endpoints that are counted by name; the last stands for all others.
const ENDPOINTS: [&str; 10] = [
    "token",
    "introspection",
    "revocation",
    "api",
    "keys",
    "authorization_server_metadata",
    "openid_configuration",
    "admin",
    "listener",
    "other",
];
const OUTCOMES: [&str; 6] = ["issued", "permitted", "refused", "fault", "coached", "repeated"];
const LISTENERS: [&str; 3] = ["public", "admin", "ops"];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// Upper bounds of the buckets of durations, in microseconds; a last bucket has no bound.
const BOUNDS: [u64; 13] = [25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 50_000, 250_000, 1_000_000, 5_000_000];

/// How a TLS handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// With a connection.
    Completed,
    /// Without.
    Failed,
}

const GREETINGS: [&str; 2] = ["completed", "failed"];

/// What is refused or closed for want of room or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shed {
    /// A connection above the bound, which was told so.
    Connection,
    /// A connection above both bounds, which was closed.
    Dropped,
    /// A request.
    Request,
}

const SHEDS: [&str; 3] = ["connection", "dropped", "request"];

type Row<const N: usize> = [AtomicU64; N];

/// Every counter of the process. Clones count together.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    decisions: [Row<{ OUTCOMES.len() }>; ENDPOINTS.len()],
    durations: [Row<{ BOUNDS.len() + 1 }>; ENDPOINTS.len()],
    micros: Row<{ ENDPOINTS.len() }>,
    refusals: Row<{ TABLE.len() }>,
    answers: [Row<{ CLASSES.len() }>; LISTENERS.len()],
    accepted: Row<{ LISTENERS.len() }>,
    ended: Row<{ LISTENERS.len() }>,
    shed: Row<{ SHEDS.len() }>,
    handshakes: Row<2>,
}

fn zeros<const N: usize>() -> Row<N> {
    std::array::from_fn(|_| AtomicU64::new(0))
}

fn add(counter: &AtomicU64, value: u64) {
    counter.fetch_add(value, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

const fn listener(face: Face) -> usize {
    match face {
        Face::Public => 0,
        Face::Admin(_) => 1,
        Face::Ops => 2,
    }
}

/// An open connection, counted as long as it lives.
pub struct Open(Metrics, usize);

impl Drop for Open {
    fn drop(&mut self) {
        add(&self.0.0.ended[self.1], 1);
    }
}

impl Metrics {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self(Arc::new(Counters {
            decisions: std::array::from_fn(|_| zeros()),
            durations: std::array::from_fn(|_| zeros()),
            micros: zeros(),
            refusals: zeros(),
            answers: std::array::from_fn(|_| zeros()),
            accepted: zeros(),
            ended: zeros(),
            shed: zeros(),
            handshakes: zeros(),
        }))
    }

    /// Counts one decision.
    pub fn count(&self, event: &Event, took: Duration) {
        let counters = &*self.0;
        let endpoint = ENDPOINTS.iter().position(|name| *name == event.endpoint).unwrap_or(ENDPOINTS.len() - 1);
        let outcome = match &event.outcome {
            Outcome::Issued => 0,
            Outcome::Permitted => 1,
            Outcome::Refused(why) => {
                add(&counters.refusals[*why as usize], 1);
                2
            }
            Outcome::Faulted(_) => 3,
            Outcome::Coached => 4,
            Outcome::Repeated => 5,
        };
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        add(&counters.decisions[endpoint][outcome], 1);
        add(&counters.durations[endpoint][bucket], 1);
        add(&counters.micros[endpoint], micros);
    }

    /// Counts one answer.
    pub fn answered(&self, face: Face, status: http::StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        add(&self.0.answers[listener(face)][class], 1);
    }

    /// Counts one connection, until the value that it gives is dropped.
    pub fn connected(&self, face: Face) -> Open {
        add(&self.0.accepted[listener(face)], 1);
        Open(self.clone(), listener(face))
    }

    /// Counts something that was refused for want of room or time.
    pub fn shed(&self, what: Shed) {
        add(&self.0.shed[what as usize], 1);
    }

    /// Counts one TLS handshake.
    pub fn greeted(&self, outcome: Greeting) {
        add(&self.0.handshakes[outcome as usize], 1);
    }

    /// The page for Prometheus, in the OpenMetrics form.
    pub fn page(&self, node: Present) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Reading { metrics: self.clone(), node }));
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, &registry)?;
        Ok(page)
    }
}

/// How the node is at one moment, beside what is counted.
#[derive(Debug, Default)]
pub struct Present {
    /// Lines of the log that were given up, since the start.
    pub lines_dropped: u64,
    /// For how many seconds the store has not answered.
    pub store_silence: i64,
    /// Whether the node should get requests.
    pub ready: bool,
    /// Whether changes can be written.
    pub writable: bool,
    /// Work that is bounded: its name, how much of it is under way, and the bound.
    pub under_way: Vec<(&'static str, usize, usize)>,
    /// How the signing keys are.
    pub keys: KeyFigures,
    /// How many secrets and API keys end within so many days.
    pub endings: [(i64, u64); 2],
    /// How long requests wait until a thread has time for them.
    pub lag: Duration,
    /// The certificate, if there is one.
    pub tls: Option<TlsState>,
}

/// The counters at one moment.
#[derive(Debug)]
struct Reading {
    metrics: Metrics,
    node: Present,
}

type Written = Result<(), fmt::Error>;

impl Collector for Reading {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> Written {
        let counters = &*self.metrics.0;
        family(&mut out, ("jeton_decisions", "Decisions about requests"), MetricType::Counter, |metric| {
            for (endpoint, outcomes) in ENDPOINTS.iter().zip(&counters.decisions) {
                for (outcome, value) in OUTCOMES.iter().zip(outcomes) {
                    count(metric, [("endpoint", *endpoint), ("outcome", *outcome)], read(value))?;
                }
            }
            Ok(())
        })?;
        family(&mut out, ("jeton_refusals", "Refused requests by exact reason"), MetricType::Counter, |metric| {
            TABLE.iter().zip(&counters.refusals).try_for_each(|(row, value)| count(metric, [("why", row.id)], read(value)))
        })?;
        let about = ("jeton_decision_duration_seconds", "From the head of a request to its answer");
        family(&mut out, about, MetricType::Histogram, |metric| {
            for (index, endpoint) in ENDPOINTS.iter().enumerate() {
                durations(&mut metric.encode_family(&[("endpoint", *endpoint)])?, counters, index)?;
            }
            Ok(())
        })?;
        family(&mut out, ("jeton_answers", "Answers by listener and class of status"), MetricType::Counter, |metric| {
            for (listener, classes) in LISTENERS.iter().zip(&counters.answers) {
                for (class, value) in CLASSES.iter().zip(classes) {
                    count(metric, [("listener", *listener), ("class", *class)], read(value))?;
                }
            }
            Ok(())
        })?;
        let accepted = counters.accepted.each_ref().map(read);
        family(&mut out, ("jeton_connections_accepted", "Connections since the start"), MetricType::Counter, |metric| {
            LISTENERS.iter().zip(accepted).try_for_each(|(listener, value)| count(metric, [("listener", *listener)], value))
        })?;
        family(&mut out, ("jeton_connections", "Open connections"), MetricType::Gauge, |metric| {
            for (index, listener) in LISTENERS.iter().enumerate() {
                let open = accepted[index].saturating_sub(read(&counters.ended[index]));
                metric.encode_family(&[("listener", *listener)])?.encode_gauge(&open)?;
            }
            Ok(())
        })?;
        let about = ("jeton_shed", "Connections and requests that were refused for want of room or time");
        family(&mut out, about, MetricType::Counter, |metric| {
            SHEDS.iter().zip(&counters.shed).try_for_each(|(what, value)| count(metric, [("what", *what)], read(value)))
        })?;
        self.about_tls(&mut out)?;
        self.about_the_node(&mut out)?;
        self.about_keys(&mut out)?;
        about_the_process(&mut out)
    }
}

impl Reading {
    fn about_tls(&self, out: &mut DescriptorEncoder<'_>) -> Written {
        let Some(tls) = self.node.tls else { return Ok(()) };
        let outcomes = |metric: &mut MetricEncoder<'_>, values: [u64; 2]| {
            GREETINGS.iter().zip(values).try_for_each(|(outcome, value)| count(metric, [("outcome", *outcome)], value))
        };
        let handshakes = self.metrics.0.handshakes.each_ref().map(read);
        family(out, ("jeton_tls_handshakes", "TLS handshakes"), MetricType::Counter, |metric| outcomes(metric, handshakes))?;
        let about = ("jeton_tls_loads", "How often certificate and key were read from their files");
        family(out, about, MetricType::Counter, |metric| outcomes(metric, [tls.loaded, tls.failed]))?;
        let about = ("jeton_tls_certificate_end_seconds", "When the certificate ends, in seconds since 1970");
        family(out, about, MetricType::Gauge, |metric| metric.encode_gauge(&tls.ends_at))
    }

    fn about_keys(&self, out: &mut DescriptorEncoder<'_>) -> Written {
        let keys = self.node.keys;
        family(out, ("jeton_signing_keys", "Published signing keys by state"), MetricType::Gauge, |metric| {
            [("next", keys.next), ("active", keys.active), ("retiring", keys.retiring)]
                .into_iter()
                .try_for_each(|(state, value)| metric.encode_family(&[("state", state)])?.encode_gauge(&value))
        })?;
        let about = ("jeton_signing_key_age_seconds", "For how long the oldest key that signs has done so");
        family(out, about, MetricType::Gauge, |metric| metric.encode_gauge(&keys.oldest))?;
        let about = ("jeton_secrets_ending", "Secrets and API keys that end within so many days, as looked up every six hours");
        family(out, about, MetricType::Gauge, |metric| {
            self.node
                .endings
                .iter()
                .try_for_each(|(days, value)| metric.encode_family(&[("within", format!("{days}d"))])?.encode_gauge(value))
        })?;
        let about = ("jeton_signing_key_late_seconds", "By how much a key signs for longer than its realm says; 0 is right");
        family(out, about, MetricType::Gauge, |metric| metric.encode_gauge(&keys.late))
    }

    fn about_the_node(&self, out: &mut DescriptorEncoder<'_>) -> Written {
        let node = &self.node;
        let about = ("jeton_log_lines_dropped", "Lines of the log that nobody read in time");
        family(out, about, MetricType::Counter, |metric| metric.encode_counter::<NoLabelSet, _, u64>(&node.lines_dropped, None))?;
        let about = ("jeton_store_silence_seconds", "For how long the store has not answered");
        family(out, about, MetricType::Gauge, |metric| metric.encode_gauge(&node.store_silence))?;
        for (name, help, holds) in [
            ("jeton_ready", "1 if the node should get requests, as /readyz says", node.ready),
            ("jeton_writable", "1 if changes can be written", node.writable),
        ] {
            family(out, (name, help), MetricType::Gauge, |metric| metric.encode_gauge(&u32::from(holds)))?;
        }
        let about = ("jeton_work_under_way", "Bounded work that is under way; what does not fit waits or is answered with 503");
        family(out, about, MetricType::Gauge, |metric| {
            node.under_way.iter().try_for_each(|(work, now, _)| amount(metric, work, *now))
        })?;
        let about = ("jeton_work_most", "Most bounded work at the same time");
        family(out, about, MetricType::Gauge, |metric| {
            node.under_way.iter().try_for_each(|(work, _, most)| amount(metric, work, *most))
        })?;
        let about = ("jeton_queue_seconds", "How long a request waits until a thread has time for it");
        family(out, about, MetricType::Gauge, |metric| metric.encode_gauge(&node.lag.as_secs_f64()))?;
        family(out, ("jeton_build", "The version that runs"), MetricType::Info, |metric| {
            metric.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
        })
    }
}

fn about_the_process(out: &mut DescriptorEncoder<'_>) -> Written {
    let gauges = [
        ("process_resident_memory_bytes", "Memory that is in use", footprint::resident_bytes()),
        ("process_open_fds", "Open files and sockets", footprint::open_files()),
        ("process_max_fds", "Most open files and sockets that the system allows", footprint::most_open_files()),
        ("process_start_time_seconds", "When the process started, in seconds of the Unix time", footprint::started_at()),
    ];
    for (name, help, value) in gauges {
        // Where the system does not tell, the metric is absent.
        if let Some(value) = value {
            family(out, (name, help), MetricType::Gauge, |metric| metric.encode_gauge(&value))?;
        }
    }
    match footprint::cpu_seconds() {
        Some(seconds) => family(out, ("process_cpu_seconds", "Processor time that was used"), MetricType::Counter, |metric| {
            metric.encode_counter::<NoLabelSet, _, u64>(&seconds, None)
        }),
        None => Ok(()),
    }
}

fn amount(metric: &mut MetricEncoder<'_>, work: &str, value: usize) -> Written {
    metric.encode_family(&[("work", work)])?.encode_gauge(&u64::try_from(value).unwrap_or(u64::MAX))
}

fn family(
    out: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    kind: MetricType,
    fill: impl FnOnce(&mut MetricEncoder<'_>) -> Written,
) -> Written {
    fill(&mut out.encode_descriptor(name, help, None, kind)?)
}

fn count<const N: usize>(metric: &mut MetricEncoder<'_>, labels: [(&str, &str); N], value: u64) -> Written {
    metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
}

fn durations(metric: &mut MetricEncoder<'_>, counters: &Counters, endpoint: usize) -> Written {
    let seconds = |micros: u64| micros as f64 / 1e6;
    let bounds = BOUNDS.iter().map(|bound| seconds(*bound)).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(counters.durations[endpoint].iter().map(read)).collect();
    let total = buckets.iter().map(|(_, count)| count).sum();
    metric.encode_histogram::<NoLabelSet>(seconds(read(&counters.micros[endpoint])), total, &buckets, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jeton_core::refusal::Why;

    #[test]
    fn what_was_counted_is_shown() {
        let metrics = Metrics::new();
        let event = |endpoint, outcome| Event { realm: None, client: None, endpoint, outcome, used: None, adopt: None };
        metrics.count(&event("token", Outcome::Issued), Duration::from_micros(40));
        metrics.count(&event("token", Outcome::Refused(Why::ClientSecretWrong)), Duration::from_secs(9));
        metrics.count(&event("new", Outcome::Permitted), Duration::ZERO);
        metrics.answered(Face::Public, http::StatusCode::UNAUTHORIZED);
        let open = metrics.connected(Face::Public);
        metrics.shed(Shed::Request);
        metrics.greeted(Greeting::Failed);
        let tls = TlsState { ends_at: 5, is_stuck: false, loaded: 7, failed: 6 };
        drop(metrics.connected(Face::Public));
        let under_way = vec![("reading", 2, 64)];
        let keys = KeyFigures { next: 1, active: 2, retiring: 3, oldest: 90, late: 5 };
        let endings = [(14, 8), (3, 2)];
        let lag = Duration::from_millis(2);
        let tls = Some(tls);
        let node =
            Present { lines_dropped: 3, store_silence: 4, ready: true, writable: false, under_way, keys, endings, lag, tls };
        let page = metrics.page(node).expect("written");
        drop(open);
        for line in [
            r#"jeton_decisions_total{endpoint="token",outcome="issued"} 1"#,
            r#"jeton_decisions_total{endpoint="other",outcome="permitted"} 1"#,
            r#"jeton_refusals_total{why="client.secret_wrong"} 1"#,
            r#"jeton_decision_duration_seconds_count{endpoint="token"} 2"#,
            r#"jeton_decision_duration_seconds_bucket{le="0.00005",endpoint="token"} 1"#,
            r#"jeton_decision_duration_seconds_bucket{le="+Inf",endpoint="token"} 2"#,
            r#"jeton_answers_total{listener="public",class="4xx"} 1"#,
            r#"jeton_connections{listener="public"} 1"#,
            r#"jeton_connections_accepted_total{listener="public"} 2"#,
            "jeton_log_lines_dropped_total 3",
            "jeton_store_silence_seconds 4",
            "jeton_queue_seconds 0.002",
            r#"jeton_shed_total{what="request"} 1"#,
            r#"jeton_tls_handshakes_total{outcome="failed"} 1"#,
            r#"jeton_tls_loads_total{outcome="failed"} 6"#,
            "jeton_tls_certificate_end_seconds 5",
            r#"jeton_signing_keys{state="retiring"} 3"#,
            "jeton_signing_key_age_seconds 90",
            r#"jeton_secrets_ending{within="14d"} 8"#,
            r#"jeton_secrets_ending{within="3d"} 2"#,
            "jeton_signing_key_late_seconds 5",
            "jeton_ready 1",
            "jeton_writable 0",
            r#"jeton_work_under_way{work="reading"} 2"#,
            r#"jeton_work_most{work="reading"} 64"#,
        ] {
            assert!(page.lines().any(|shown| shown == line), "{line}\n{page}");
        }
        assert!(page.ends_with("# EOF\n") && page.contains("process_resident_memory_bytes"));
    }

    #[test]
    fn every_endpoint_has_its_name() {
        for endpoint in jeton_wire::route::Endpoint::ALL {
            assert!(ENDPOINTS.contains(&endpoint.name()), "{}", endpoint.name());
        }
    }
}
