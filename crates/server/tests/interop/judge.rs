//! The judge holds every outcome against what the plan promises. No cell may be silent, and no excuse may outlive its cell.

use super::drivers::Record;
use super::plan::{Client, Plan, Target};

/// The ways of a client that can choose.
pub const WAYS: [&str; 4] = ["default", "header", "form", "both"];

/// Everything that is not as the plan says.
pub fn problems(plan: &Plan, records: &[Record], skipped: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    let ran = |client: &&Client| !skipped.contains(&client.name);
    for client in plan.clients.iter().filter(ran) {
        for target in &plan.targets {
            let ways = if client.walk_only.is_some() { &WAYS[..1] } else { &WAYS[..] };
            for way in ways.iter().chain(&["wrong-secret"]) {
                problems.extend(cell(plan, records, client, target, way));
            }
        }
    }
    for client in plan.verifiers.iter().filter(ran) {
        for target in plan.targets.iter().filter(|target| target.jwt.is_some()) {
            problems.extend(cell(plan, records, client, target, "verify"));
            problems.extend(cell(plan, records, client, target, "spoilt"));
        }
    }
    problems.extend(records.iter().filter(|record| !is_planned(plan, record)).map(|record| format!("nobody planned {record:?}")));
    problems.extend(reasons(plan));
    problems
}

/// What must happen in one cell.
fn promise<'a>(plan: &'a Plan, client: &Client, target: &'a Target, way: &str) -> &'a str {
    match way {
        _ if plan.differs(&client.name, &target.name, way).is_some() => {
            plan.differs(&client.name, &target.name, way).map_or("", |row| &row.outcome)
        }
        "default" | "verify" => "pass",
        "wrong-secret" | "spoilt" => "refused",
        _ => target.ways.get(way).map_or("", String::as_str),
    }
}

fn cell(plan: &Plan, records: &[Record], client: &Client, target: &Target, way: &str) -> Option<String> {
    let place = format!("{} × {} × {way}", client.name, target.name);
    let mut of = records.iter().filter(|record| is_at(record, client, target, way));
    let (Some(record), None) = (of.next(), of.next()) else {
        return Some(format!("{place}: there must be one result"));
    };
    let promised = promise(plan, client, target, way);
    if record.outcome != promised {
        return Some(format!("{place}: {} instead of {promised}: {}", record.outcome, record.detail));
    }
    let kind = record.detail.split(':').next().unwrap_or_default();
    if record.outcome == "refused" && !client.errors.iter().any(|error| error == kind) {
        return Some(format!("{place}: {kind} is not an error type of this client: {}", record.detail));
    }
    let says = plan.differs(&client.name, &target.name, way).and_then(|row| row.says.as_ref());
    says.filter(|says| !record.detail.contains(says.as_str()))
        .map(|says| format!("{place}: {says:?} is not in {}", record.detail))
}

/// Whether a result belongs to this cell.
pub fn is_at(record: &Record, client: &Client, target: &Target, way: &str) -> bool {
    record.client == client.name && record.target == target.name && record.way == way
}

fn is_planned(plan: &Plan, record: &Record) -> bool {
    let ways: &[&str] = if plan.verifiers.iter().any(|client| client.name == record.client) {
        &["verify", "spoilt"]
    } else {
        &["default", "header", "form", "both", "wrong-secret"]
    };
    plan.targets.iter().any(|target| target.name == record.target) && ways.contains(&record.way.as_str())
}

/// The plan itself: each refusal and each empty cell has its reason, and each row names what is there.
fn reasons(plan: &Plan) -> Vec<String> {
    let mut problems = Vec::new();
    for target in &plan.targets {
        for (way, _) in target.ways.iter().filter(|(_, promised)| *promised == "refused") {
            if target.why(way).is_none() {
                problems.push(format!("{}: why is {way} refused?", target.name));
            }
        }
        if target.jwt.is_some() == target.no_jwt.is_some() {
            problems.push(format!("{}: tokens are verified, or a reason says why not", target.name));
        }
    }
    for row in &plan.differs {
        let known = row.clients.iter().all(|name| plan.clients.iter().any(|client| client.name == *name));
        if !known || !plan.targets.iter().any(|target| target.name == row.target) || row.why.is_empty() {
            problems.push(format!("a row about {} names nobody or has no reason: {}", row.target, row.why));
        }
    }
    problems
}
