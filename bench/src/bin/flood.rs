//! The open-loop driver: requests come at a rate, whatever became of those before them, as they do from many clients.
//!
//! Their distances are random (a Poisson process). One that finds every connection in use waits; after a second it gives up, as a
//! client would. Times count from when a request came, not from when it was sent, so that what waits in this driver is not
//! forgotten. Connections are opened when they are needed, as many at once as wish. One thread, no sleep.

use jeton_bench::answer;
use jeton_bench::figures::{Times, Wrong, cpu_seconds, or_null};
use jeton_bench::line::{Line, Received};
use jeton_bench::numbers::Numbers;
use jeton_bench::options::Options;
use jeton_bench::request::{self, Requests};
use mio::{Events, Poll};
use std::collections::VecDeque;
use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const USAGE: &str = "
  phases=RATE:S,…     requests per second, and for so many seconds";

/// How long a request waits for a connection.
const PATIENCE: Duration = Duration::from_secs(1);
/// Requests that are sent before answers are read again.
const AT_ONCE: usize = 32;

/// A rate, for a time.
struct Phase {
    rate: f64,
    seconds: f64,
}

/// What to do.
struct Plan {
    to: SocketAddr,
    requests: Requests,
    expect: Vec<u8>,
    connections: usize,
    phases: Vec<Phase>,
    pid: Option<u32>,
}

impl Plan {
    fn given() -> Result<Self, Box<dyn Error>> {
        let mut options = Options::given()?;
        let to = options.text("to", "");
        let phases = options.text("phases", "1000:3");
        let phase = |text: &str| {
            let (rate, seconds) = text.split_once(':')?;
            Some(Phase { rate: rate.parse().ok().filter(|rate| *rate > 0.0)?, seconds: seconds.parse().ok()? })
        };
        let plan = Self {
            requests: Requests::of(&mut options, &to)?,
            expect: options.text("expect", "\"access_token\":").into_bytes(),
            connections: options.take("connections", "32")?,
            phases: phases.split(',').map(phase).collect::<Option<_>>().ok_or("phases are not understood")?,
            pid: options.maybe("pid")?,
            to: to.parse()?,
        };
        options.end().map(|()| plan)
    }
}

/// A connection, and when the request that it carries came.
#[derive(Default)]
struct Place {
    line: Option<Line>,
    is_open: bool,
    came_at: Option<Instant>,
}

/// What was seen in one phase.
#[derive(Default)]
struct Seen {
    offered: u64,
    connects: u64,
    sent: u64,
    /// Requests that found no connection.
    given_up: u64,
    /// From coming to the answer.
    served: Times,
    /// From sending to a 503 that says when to come again.
    refused: Times,
    /// From coming to sending, while a connection was free: more than a moment means that this driver is too slow.
    late: Times,
    broken: u64,
    wrong: Wrong,
    last_refused: Option<f64>,
    seconds: f64,
    cpu: Option<f64>,
}

/// Everything that happens on the one thread.
struct Driver {
    plan: Plan,
    poll: Poll,
    places: Vec<Place>,
    free: Vec<usize>,
    waiting: VecDeque<Instant>,
    numbers: Numbers,
    buffer: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let plan = Plan::given().map_err(|error| format!("{error}\nusage: flood key=value …{}{USAGE}", request::USAGE))?;
    let poll = Poll::new()?;
    let places: Vec<Place> = (0..plan.connections).map(|_| Place::default()).collect();
    let free = (0..places.len()).rev().collect();
    let (waiting, numbers, buffer) = (VecDeque::new(), Numbers::default(), vec![0; 16 * 1024]);
    let mut driver = Driver { plan, poll, places, free, waiting, numbers, buffer };
    let phases = std::mem::take(&mut driver.plan.phases);
    let seen = phases.iter().map(|phase| driver.run(phase)).collect::<Result<Vec<_>, _>>()?;
    let lines: Vec<_> = phases.iter().zip(seen).map(|(phase, seen)| report(phase, seen)).collect();
    println!("[{}]", lines.join(",\n"));
    Ok(())
}

impl Driver {
    fn run(&mut self, phase: &Phase) -> Result<Seen, Box<dyn Error>> {
        let cpu_before = self.plan.pid.map(cpu_seconds).transpose()?;
        let (begin, mut seen, mut events) = (Instant::now(), Seen::default(), Events::with_capacity(1024));
        let end = begin + Duration::from_secs_f64(phase.seconds);
        let mut next = begin;
        loop {
            let now = Instant::now();
            if now >= end {
                break;
            }
            // It never sleeps, so that nobody has to wake it.
            self.poll.poll(&mut events, Some(Duration::ZERO))?;
            for event in &events {
                self.answered(event.token().0, begin, &mut seen)?;
            }
            for _ in 0..AT_ONCE {
                if next > now {
                    break;
                }
                self.waiting.push_back(next);
                seen.offered += 1;
                next += Duration::from_secs_f64(-self.numbers.part().ln() / phase.rate);
            }
            self.send(&mut seen)?;
        }
        seen.seconds = begin.elapsed().as_secs_f64();
        let cpu_after = self.plan.pid.map(cpu_seconds).transpose()?;
        seen.cpu = cpu_before.zip(cpu_after).map(|(before, after)| after - before);
        Ok(seen)
    }

    /// Sends what waits, as far as there are connections.
    fn send(&mut self, seen: &mut Seen) -> Result<(), Box<dyn Error>> {
        let now = Instant::now();
        let crowded = self.free.is_empty();
        while let Some(came_at) = self.waiting.front().copied() {
            if now.saturating_duration_since(came_at) > PATIENCE {
                self.waiting.pop_front();
                seen.given_up += 1;
                continue;
            }
            let Some(index) = self.free.pop() else { return Ok(()) };
            self.waiting.pop_front();
            if !crowded {
                seen.late.add(micros_since(came_at));
            }
            let place = &mut self.places[index];
            place.came_at = Some(came_at);
            if place.line.is_some() {
                self.write(index, seen);
            } else {
                place.line = Some(Line::begin(self.plan.to, self.poll.registry(), index)?);
                place.is_open = false;
                seen.connects += 1;
            }
        }
        Ok(())
    }

    fn write(&mut self, index: usize, seen: &mut Seen) {
        match self.places[index].line.as_mut().map(|line| line.send(self.plan.requests.fill())) {
            Some(Ok(())) => seen.sent += 1,
            _ => self.broke(index, seen),
        }
    }

    fn answered(&mut self, index: usize, begin: Instant, seen: &mut Seen) -> Result<(), Box<dyn Error>> {
        let place = &mut self.places[index];
        let Some(line) = &mut place.line else { return Ok(()) };
        if !place.is_open {
            match line.is_open() {
                Ok(true) => {
                    place.is_open = true;
                    self.write(index, seen);
                }
                Ok(false) => {}
                Err(_) => self.broke(index, seen),
            }
            return Ok(());
        }
        match line.receive(&mut self.buffer)? {
            Received::Part => return Ok(()),
            Received::Closed => {
                self.broke(index, seen);
                return Ok(());
            }
            Received::All => {}
        }
        let Some(came_at) = place.came_at.take() else { return Ok(()) };
        if answer::is_good(&line.answer, &self.plan.expect) {
            seen.served.add(micros_since(came_at));
        } else if answer::is_refused(&line.answer) {
            seen.refused.add(line.micros());
            seen.last_refused = Some(begin.elapsed().as_secs_f64());
        } else {
            seen.wrong.add(&line.answer);
        }
        if answer::closes(&line.answer) {
            place.line = None;
        }
        self.free.push(index);
        Ok(())
    }

    /// A connection is gone; one that rested may go, one with a request may not.
    fn broke(&mut self, index: usize, seen: &mut Seen) {
        let place = &mut self.places[index];
        place.line = None;
        if place.came_at.take().is_some() {
            seen.broken += 1;
            self.free.push(index);
        }
    }
}

fn micros_since(then: Instant) -> u32 {
    u32::try_from(then.elapsed().as_micros()).unwrap_or(u32::MAX)
}

/// One JSON object.
fn report(phase: &Phase, mut seen: Seen) -> String {
    seen.wrong.tell("answer that is neither as expected nor a refusal");
    let (rate, served, refused) = (phase.rate, seen.served.count(), seen.refused.count());
    let counts = format!(
        r#""rate":{rate:.1},"seconds":{:.3},"offered":{},"connects":{},"sent":{},"given_up":{},"served":{served},"refused":{refused},"broken":{},"errors":{}"#,
        seen.seconds, seen.offered, seen.connects, seen.sent, seen.given_up, seen.broken, seen.wrong.count
    );
    let (cpu, last) = (or_null(seen.cpu), or_null(seen.last_refused));
    let times = [seen.served.members(""), seen.refused.members("refused"), seen.late.members("late")].join(",");
    format!(r#"{{{counts},"cpu_seconds":{cpu},"last_refused_s":{last},{times}}}"#)
}
