//! The judge holds every outcome against what the plan promises. No cell may be silent, and no excuse may outlive its cell.

use super::drivers::Record;
use super::plan::{Client, Plan, Target};

/// The ways of a client that can choose.
pub const WAYS: [&str; 4] = ["default", "header", "form", "both"];

/// Everything that is not as the plan says.
pub fn problems(plan: &Plan, records: &[Record], skipped: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    let cells = cells(plan);
    for &(client, target, way) in &cells {
        if !skipped.contains(&client.name) {
            problems.extend(cell(plan, records, client, target, way));
        }
    }
    let planned = |record: &Record| cells.iter().any(|(client, target, way)| is_at(record, client, target, way));
    problems.extend(records.iter().filter(|record| !planned(record)).map(|record| format!("nobody planned {record:?}")));
    problems.extend(reasons(plan));
    problems
}

/// Every place of the tables that needs a result.
fn cells(plan: &Plan) -> Vec<(&Client, &Target, &'static str)> {
    let mut cells = Vec::new();
    for client in &plan.clients {
        let ways = if client.walk_only.is_some() { &WAYS[..1] } else { &WAYS[..] };
        for target in &plan.targets {
            cells.extend(ways.iter().chain(&["wrong-secret"]).map(|way| (client, target, *way)));
        }
    }
    for client in &plan.verifiers {
        for target in plan.targets.iter().filter(|target| target.jwt.is_some()) {
            cells.extend(["verify", "spoilt"].map(|way| (client, target, way)));
        }
    }
    cells
}

/// Results exactly as the plan promises them.
pub fn ideal(plan: &Plan) -> Vec<Record> {
    let record = |(client, target, way): (&Client, &Target, &str)| {
        let says = plan.differs(&client.name, &target.name, way).and_then(|row| row.says.clone());
        Record {
            client: client.name.clone(),
            version: String::new(),
            target: target.name.clone(),
            way: way.to_owned(),
            outcome: promise(plan, client, target, way).to_owned(),
            detail: format!("{}: {}", client.errors[0], says.unwrap_or_default()),
        }
    };
    cells(plan).into_iter().map(record).collect()
}

/// What must happen in one cell.
fn promise<'a>(plan: &'a Plan, client: &Client, target: &'a Target, way: &str) -> &'a str {
    if let Some(row) = plan.differs(&client.name, &target.name, way) {
        return &row.outcome;
    }
    match way {
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
