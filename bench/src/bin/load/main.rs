//! The load driver: N connections, each sends its next request when the last answer is complete, for a bounded time.
//!
//! One thread, no runtime, no sleep: it has to cost less than any server it drives, so that the server's core is the one that
//! is full, and it must not have to be woken. It also reads the server's CPU time, because on shared cores only requests per
//! CPU-second tell the truth. What it does beside the load (revoking, keeping tokens to verify them) it does on the same thread.

mod keys;
mod revoker;

use jeton_bench::answer;
use jeton_bench::figures::{Times, Wrong, cpu_seconds, or_null};
use jeton_bench::line::{Line, Received};
use jeton_bench::options::Options;
use jeton_bench::request::{self, Requests};
use keys::Keys;
use mio::{Events, Poll};
use revoker::Revoker;
use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const USAGE: &str = "
  seconds=S           measured time (3)
  warmup=S            time before it (0.5)
  revokes=N           revoke so many of the tokens each second, at `revoke`, as the same client (0)
  revoke=/revoke      see revokes
  keys=/jwks          read the key set there four times a second; verify every token with a key set as old as allowed (none)
  kept=DIR            where the key sets of earlier runs are, and these go
  allowed=S           how old a key set may be (0)";

/// What to do.
struct Plan {
    to: SocketAddr,
    requests: Requests,
    expect: Vec<u8>,
    connections: usize,
    measured: Duration,
    warmup: Duration,
    pid: Option<u32>,
}

/// Everything that happens on the one thread.
struct Driver {
    plan: Plan,
    poll: Poll,
    lines: Vec<Line>,
    revoker: Option<Revoker>,
    keys: Option<Keys>,
    buffer: Vec<u8>,
}

/// What was seen.
#[derive(Default)]
struct Tally {
    times: Times,
    wrong: Wrong,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut driver = match prepare() {
        Ok(driver) => driver,
        Err(error) => return Err(format!("{error}\nusage: load key=value …{}{USAGE}", request::USAGE).into()),
    };
    for line in &mut driver.lines {
        line.send(driver.plan.requests.fill())?;
    }
    let warm = driver.run(driver.plan.warmup)?;
    if let Some(revoker) = &mut driver.revoker {
        revoker.begin();
    }
    if let Some(keys) = &mut driver.keys {
        keys.begin();
    }
    let cpu_before = driver.plan.pid.map(cpu_seconds).transpose()?;
    let started = Instant::now();
    let tally = driver.run(driver.plan.measured)?;
    let elapsed = started.elapsed().as_secs_f64();
    let cpu_after = driver.plan.pid.map(cpu_seconds).transpose()?;
    warm.wrong.tell("answer of the warm-up that is not as expected");
    report(driver, tally, elapsed, cpu_before.zip(cpu_after).map(|(before, after)| after - before), warm.wrong.count)
}

fn prepare() -> Result<Driver, Box<dyn Error>> {
    let mut options = Options::given()?;
    let to = options.text("to", "");
    let revokes: f64 = options.take("revokes", "0")?;
    let (revoke, basic) = (options.text("revoke", "/revoke"), options.look("basic"));
    let requests = Requests::of(&mut options, &to)?;
    let plan = Plan {
        requests,
        expect: options.text("expect", "\"access_token\":").into_bytes(),
        connections: options.take("connections", "32")?,
        measured: Duration::from_secs_f64(options.take("seconds", "3")?),
        warmup: Duration::from_secs_f64(options.take("warmup", "0.5")?),
        pid: options.maybe("pid")?,
        to: to.parse()?,
    };
    let watched: Option<String> = options.maybe("keys")?;
    let (kept, allowed) = (options.text("kept", ""), options.take("allowed", "0")?);
    options.end()?;
    let poll = Poll::new()?;
    let lines = (0..plan.connections).map(|index| Line::open(plan.to, poll.registry(), index)).collect::<Result<_, _>>()?;
    let next = plan.connections;
    let revoker = (revokes > 0.0).then(|| Revoker::open(plan.to, &poll, next, revoker::Wish { revokes, path: revoke, basic }));
    let revoker = revoker.transpose()?;
    let next = next + revoker::LINES;
    let keys =
        watched.map(|path| Keys::open(plan.to, &poll, next, keys::Rule { path, kept: kept.into(), allowed })).transpose()?;
    Ok(Driver { plan, poll, lines, revoker, keys, buffer: vec![0; 16 * 1024] })
}

impl Driver {
    fn run(&mut self, time: Duration) -> Result<Tally, Box<dyn Error>> {
        let end = Instant::now() + time;
        let mut events = Events::with_capacity(256);
        let mut tally = Tally::default();
        while Instant::now() < end {
            // It never sleeps: to wake it costs a server microseconds per answer, and only those servers that are slower than it.
            self.poll.poll(&mut events, Some(Duration::ZERO))?;
            for event in &events {
                self.answered(event.token().0, &mut tally)?;
            }
            if let Some(keys) = &mut self.keys {
                keys.ask()?;
            }
        }
        Ok(tally)
    }

    fn answered(&mut self, index: usize, tally: &mut Tally) -> Result<(), Box<dyn Error>> {
        let Some(line) = self.lines.get_mut(index) else {
            return match (&mut self.revoker, &mut self.keys) {
                (Some(revoker), _) if revoker.owns(index) => revoker.answered(index, &mut self.buffer),
                (_, Some(keys)) => keys.answered(&mut self.buffer),
                _ => Ok(()),
            };
        };
        match line.receive(&mut self.buffer)? {
            Received::Part => return Ok(()),
            Received::Closed => return Err("the server closed a connection".into()),
            Received::All => {}
        }
        tally.times.add(line.micros());
        if answer::is_good(&line.answer, &self.plan.expect) {
            if let Some(keys) = &mut self.keys {
                keys.keep(&line.answer);
            }
            if let Some(revoker) = &mut self.revoker {
                revoker.offer(&line.answer)?;
            }
        } else {
            tally.wrong.add(&line.answer);
        }
        line.send(self.plan.requests.fill())
    }
}

/// One line of JSON.
fn report(driver: Driver, mut tally: Tally, elapsed: f64, cpu: Option<f64>, early: u64) -> Result<(), Box<dyn Error>> {
    let requests = tally.times.count();
    let per_cpu = cpu.filter(|cpu| *cpu > 0.0).map(|cpu| requests as f64 / cpu);
    let mut members = vec![
        format!(r#""requests":{requests},"errors":{},"seconds":{elapsed:.3}"#, tally.wrong.count + early),
        format!(r#""cpu_seconds":{},"per_cpu_second":{}"#, or_null(cpu), or_null(per_cpu)),
        tally.times.members(""),
    ];
    members.extend(driver.revoker.map(Revoker::members));
    members.extend(driver.keys.map(Keys::members).transpose()?);
    println!("{{{}}}", members.join(","));
    tally.wrong.tell("answer that is not as expected");
    Ok(())
}
