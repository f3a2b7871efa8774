//! How figures are shown: a table in Markdown, so that it can be put into a page as it is, and JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::figures::Row;
use super::stage::{BRIDGE, DIRECT, FLOOR};

/// The table: for each bridge its figure, and its ratios to the direct call and to the floor.
#[must_use]
pub fn of(rows: &[Row], names: &[String]) -> String {
    let mut head = vec!["what".to_owned(), "unit".to_owned()];
    for (index, name) in names.iter().enumerate() {
        head.push(name.clone());
        match index {
            DIRECT => {}
            FLOOR => head.push("/ direct".to_owned()),
            _ => head.extend(["/ direct".to_owned(), "/ floor".to_owned()]),
        }
        if index == BRIDGE {
            head.push("goal".to_owned());
        }
    }
    let mut lines = vec![head];
    lines.extend(rows.iter().map(|row| cells(row, names.len())));
    aligned(&lines)
}

/// All figures.
#[must_use]
pub fn json(rows: &[Row], names: &[String], circumstances: &str) -> Value {
    let row = |row: &Row| {
        let subject = |(index, name): (usize, &String)| {
            let figures = json!({
                "median": row.median(index),
                "to_direct": row.to_direct(index),
                "to_floor": row.to_floor(index),
                "rounds": row.values[index],
            });
            (name.clone(), figures)
        };
        let subjects: serde_json::Map<String, Value> = names.iter().enumerate().map(subject).collect();
        let goal = row.goal.map(|goal| goal.to_string());
        json!({"name": row.name, "unit": row.unit, "goal": goal, "met": row.is_met(), "subjects": subjects})
    };
    json!({"circumstances": circumstances, "rows": rows.iter().map(row).collect::<Vec<_>>()})
}

fn cells(row: &Row, subjects: usize) -> Vec<String> {
    let mut cells = vec![row.name.clone(), row.unit.to_owned()];
    for index in 0..subjects {
        cells.push(number(row.median(index)));
        if index != DIRECT {
            cells.push(ratio(row.to_direct(index)));
        }
        if index >= BRIDGE {
            cells.push(ratio(row.to_floor(index)));
        }
        if index == BRIDGE {
            let verdict = row.is_met().map_or("", |met| if met { "met: " } else { "MISSED: " });
            cells.push(row.goal.map_or(String::new(), |goal| format!("{verdict}{goal}")));
        }
    }
    cells
}

/// Three digits that count, or all before the point.
fn number(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => String::new(),
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn ratio(value: f64) -> String {
    if value.is_finite() { format!("{value:.2}") } else { String::new() }
}

fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let length = |text: &String| text.chars().count();
    let widths: Vec<usize> =
        (0..columns).map(|at| lines.iter().filter_map(|line| line.get(at)).map(length).max().unwrap_or(0)).collect();
    let mut table = String::new();
    for (at, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(table, "| {cell:width$} ");
        }
        table.push_str("|\n");
        if at == 0 {
            for width in &widths {
                let _ = write!(table, "|{:-<1$}", "", width + 2);
            }
            table.push_str("|\n");
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Goal;

    fn rows() -> (Vec<Row>, Vec<String>) {
        let mut row = Row::new("small call", "µs", Some(Goal::AtMostTimesFloor(1.15)), 4);
        for (subject, value) in [(DIRECT, 50.0), (FLOOR, 80.0), (BRIDGE, 100.0)] {
            row.add(subject, value);
        }
        (vec![row], ["direct", "floor", "bridge", "other"].map(str::to_owned).to_vec())
    }

    #[test]
    fn a_table_shows_figures_ratios_and_the_goal_and_leaves_empty_what_was_not_measured() {
        let (rows, names) = rows();
        let expected = "\
| what       | unit | direct | floor | / direct | bridge | / direct | / floor | goal                   | other | / direct | / floor |
|------------|------|--------|-------|----------|--------|----------|---------|------------------------|-------|----------|---------|
| small call | µs   | 50.0   | 80.0  | 1.60     | 100    | 2.00     | 1.25    | MISSED: ≤ 1.15 × floor |       |          |         |
";
        assert_eq!(of(&rows, &names), expected);
    }

    #[test]
    fn json_has_every_round() {
        let (rows, names) = rows();
        let json = json(&rows, &names, "a test");
        assert_eq!(json["rows"][0]["subjects"]["floor"]["rounds"], json!([80.0]));
        assert_eq!(json["rows"][0]["met"], json!(false));
        assert_eq!(json["rows"][0]["subjects"]["other"]["median"], Value::Null);
    }
}
