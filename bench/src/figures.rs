//! Figures of a run: times in microseconds, CPU time of a process, and the answers that were not as they should be.

use std::error::Error;

/// Times of many answers.
#[derive(Default)]
pub struct Times(Vec<u32>);

impl Times {
    /// Adds one.
    pub fn add(&mut self, micros: u32) {
        self.0.push(micros);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// As members of a JSON object: `NAME_p50_us` and so on; without a name `p50_us`.
    pub fn members(&mut self, name: &str) -> String {
        self.0.sort_unstable();
        let at = |share: f64| {
            // Truncation is the wanted rounding of an index.
            let index = (self.0.len() as f64 * share) as usize;
            self.0.get(index.min(self.0.len().saturating_sub(1))).copied().unwrap_or(0)
        };
        let part = |what: &str, micros: u32| format!(r#""{name}{}{what}_us":{micros}"#, if name.is_empty() { "" } else { "_" });
        [part("p50", at(0.5)), part("p99", at(0.99)), part("max", at(1.0))].join(",")
    }
}

/// What was wrong, and the first such answer for people.
#[derive(Default)]
pub struct Wrong {
    /// How many.
    pub count: u64,
    first: Option<String>,
}

impl Wrong {
    /// Counts an answer.
    pub fn add(&mut self, answer: &[u8]) {
        self.count += 1;
        self.first.get_or_insert_with(|| String::from_utf8_lossy(answer).into_owned());
    }

    /// Prints the first on standard error.
    pub fn tell(&self, what: &str) {
        if let Some(first) = &self.first {
            eprintln!("first {what}: {first}");
        }
    }
}

/// User and system time of a process with all its threads (proc(5), `stat`, fields 14 and 15, in ticks of 10 ms).
///
/// # Errors
/// No such process.
pub fn cpu_seconds(pid: u32) -> Result<f64, Box<dyn Error>> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; the third field follows the last one of them.
    let rest = stat.rsplit_once(')').ok_or("no name in stat")?.1;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next().ok_or("stat is too short");
    Ok((next()?.parse::<f64>()? + next()?.parse::<f64>()?) / TICKS_PER_SECOND)
}

/// A number, or JSON's `null`.
#[must_use]
pub fn or_null(number: Option<f64>) -> String {
    number.map_or("null".to_owned(), |number| format!("{number:.3}"))
}
