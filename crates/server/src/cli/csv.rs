//! A CSV file of clients has one client on each line behind its heading (RFC 4180).

use super::CliError;
use serde_json::{Map, Value, json};

/// Where a column goes.
#[derive(Clone, Copy)]
enum Cell {
    Text(&'static str),
    Words(&'static str),
    /// A member of the client's one imported secret or key: list, member.
    Credential(&'static str, &'static str),
}

/// The columns that a file may have.
const COLUMNS: &[(&str, Cell)] = &[
    ("client_id", Cell::Text("client_id")),
    ("title", Cell::Text("title")),
    ("type", Cell::Text("type")),
    ("status", Cell::Text("status")),
    ("person", Cell::Text("person")),
    ("scope", Cell::Words("scope")),
    ("default_scope", Cell::Words("default_scope")),
    ("grants", Cell::Words("grants")),
    ("auth_methods", Cell::Words("auth_methods")),
    ("redirect_uris", Cell::Words("redirect_uris")),
    ("web_origins", Cell::Words("web_origins")),
    ("secret", Cell::Credential("secrets", "value")),
    ("secret_hash", Cell::Credential("secrets", "hash")),
    ("secret_expires_at", Cell::Credential("secrets", "expires_at")),
    ("secret_name", Cell::Credential("secrets", "name")),
    ("api_key", Cell::Credential("api_keys", "value")),
    ("api_key_name", Cell::Credential("api_keys", "name")),
];

/// Reads the clients of a file as the API takes them. Empty cells are left out; words of a cell have spaces between them.
pub fn clients(name: &str, text: &str) -> Result<Value, CliError> {
    let mut rows = rows(name, text)?.into_iter();
    let (_, heading) = rows.next().ok_or_else(|| CliError(format!("{name} is empty")))?;
    let columns = heading.iter().map(|title| column(name, title.trim())).collect::<Result<Vec<_>, _>>()?;
    let mut clients = Vec::new();
    for (line, row) in rows {
        if row.len() != columns.len() {
            let (found, expected) = (row.len(), columns.len());
            return Err(CliError(format!("{name}:{line}: {found} cells where the heading has {expected}")));
        }
        clients.push(client(&columns, row));
    }
    Ok(Value::Array(clients))
}

fn column(name: &str, title: &str) -> Result<Cell, CliError> {
    let found = COLUMNS.iter().find(|(known, _)| *known == title).map(|(_, cell)| *cell);
    let known = || COLUMNS.iter().map(|(known, _)| *known);
    found.ok_or_else(|| CliError(format!("{name}:1: {}", jeton_core::admin::unknown("column", title, known()))))
}

fn client(columns: &[Cell], row: Vec<String>) -> Value {
    let mut client = Map::new();
    for (column, cell) in columns.iter().zip(row).filter(|(_, cell)| !cell.is_empty()) {
        match *column {
            Cell::Text(name) => client.insert(name.into(), cell.into()),
            Cell::Words(name) => client.insert(name.into(), cell.split_whitespace().collect()),
            Cell::Credential(list, member) => {
                let one = client.entry(list).or_insert_with(|| json!([{ "name": "main" }]));
                one[0][member] = cell.into();
                None
            }
        };
    }
    // A name alone is no credential.
    client.retain(|_, value| value[0].as_object().is_none_or(|one| one.contains_key("value") || one.contains_key("hash")));
    Value::Object(client)
}

/// The rows of a file, each with its line; a quoted cell may hold commas, line ends and doubled quotes (RFC 4180 §2).
fn rows(name: &str, text: &str) -> Result<Vec<(usize, Vec<String>)>, CliError> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut started) = (1, 1);
    let mut letters = text.strip_prefix('\u{feff}').unwrap_or(text).chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if cell.is_empty() => loop {
                match letters.next() {
                    Some('"') if letters.peek() == Some(&'"') => {
                        letters.next();
                        cell.push('"');
                    }
                    Some('"') => break,
                    Some(letter) => {
                        line += usize::from(letter == '\n');
                        cell.push(letter);
                    }
                    None => return Err(CliError(format!("{name}:{started}: a quote is not closed"))),
                }
            },
            ',' => row.push(std::mem::take(&mut cell)),
            '\r' if letters.peek() == Some(&'\n') => {}
            '\n' => {
                row.push(std::mem::take(&mut cell));
                line += 1;
                end_row(&mut rows, std::mem::take(&mut row), started);
                started = line;
            }
            letter => cell.push(letter),
        }
    }
    row.push(cell);
    end_row(&mut rows, row, started);
    Ok(rows)
}

/// Keeps a row unless its line is empty.
fn end_row(rows: &mut Vec<(usize, Vec<String>)>, row: Vec<String>, line: usize) {
    if row.len() > 1 || row.first().is_some_and(|cell| !cell.trim().is_empty()) {
        rows.push((line, row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_becomes_clients() {
        let text = "client_id,title,secret,scope,api_key\r\nsheila.thomas,\"Thomas, \"\"S\"\"\",\"a,b\",read write,\r\n\r\nother,,,,k-1\r\n";
        let expected = json!([
            {"client_id": "sheila.thomas", "title": "Thomas, \"S\"", "secrets": [{"name": "main", "value": "a,b"}], "scope": ["read", "write"]},
            {"client_id": "other", "api_keys": [{"name": "main", "value": "k-1"}]},
        ]);
        assert_eq!(clients("c.csv", text).expect("clients"), expected);
        let wrong = |text: &str| clients("c.csv", text).expect_err("wrong").to_string();
        assert_eq!(wrong("client_id,secrte\na,hunter2\n"), "c.csv:1: there is no column secrte; did you mean secret?");
        assert_eq!(wrong("client_id,title\na\n"), "c.csv:2: 1 cells where the heading has 2");
        assert_eq!(wrong("client_id\n\"a\n"), "c.csv:2: a quote is not closed");
    }
}
