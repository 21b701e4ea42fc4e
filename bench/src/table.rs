//! Rounds as a Markdown table.

/// One column: a name, and its rounds.
pub(crate) type Column<R> = (&'static str, Vec<R>);

/// One row: a name, digits behind the point, and how a round, beside the one it is compared with, gives its figure.
pub(crate) type Row<R> = (&'static str, usize, fn(&R, &R) -> f64);

/// Every figure as `lowest / median / highest` of its rounds; the first column is what the others are compared with.
pub(crate) fn render<R>(columns: &[Column<R>], rows: &[Row<R>]) -> String {
    let Some((_, bound)) = columns.first() else { return String::new() };
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let mut lines = vec![
        format!("| lowest / median / highest | {} |", names.join(" | ")),
        format!("|---|{}", "---:|".repeat(columns.len())),
    ];
    for (name, digits, figure) in rows {
        let cells: Vec<String> = columns
            .iter()
            .map(|(_, rounds)| {
                let mut figures: Vec<f64> =
                    rounds.iter().zip(bound).map(|(round, bound)| figure(round, bound)).collect();
                figures.sort_unstable_by(f64::total_cmp);
                let shown =
                    [0, figures.len() / 2, figures.len() - 1].map(|index| show(figures[index], *digits));
                shown.join(" / ")
            })
            .collect();
        lines.push(format!("| {name} | {} |", cells.join(" | ")));
    }
    lines.join("\n") + "\n"
}

/// A number with its thousands apart.
fn show(number: f64, digits: usize) -> String {
    if number.is_nan() {
        return "?".to_owned();
    }
    let plain = format!("{number:.digits$}");
    let whole = plain.find('.').unwrap_or(plain.len());
    let mut text = String::new();
    for (index, character) in plain.char_indices() {
        if index > 0 && index < whole && (whole - index) % 3 == 0 {
            text.push(' ');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_is_lowest_median_and_highest() {
        let columns = [("bound", vec![2000.0, 1000.0, 4000.0]), ("ours", vec![1000.0, 1000.0, 1000.0])];
        let rows: [Row<f64>; 2] =
            [("requests/s", 0, |round, _| *round), ("ratio", 2, |round, bound| round / bound)];
        assert_eq!(
            render(&columns, &rows),
            "| lowest / median / highest | bound | ours |\n|---|---:|---:|\n\
             | requests/s | 1 000 / 2 000 / 4 000 | 1 000 / 1 000 / 1 000 |\n\
             | ratio | 1.00 / 1.00 / 1.00 | 0.25 / 0.50 / 1.00 |\n"
        );
    }
}
