//! What was measured, as Markdown.

/// Who was measured: a column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Sqlite,
    Postgres,
    Bound,
    FastTrackMl,
    MlFlow,
}

impl Column {
    const ALL: [Self; 5] = [Self::Sqlite, Self::Postgres, Self::Bound, Self::FastTrackMl, Self::MlFlow];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Sqlite => "Counterweight",
            Self::Postgres => "on PostgreSQL",
            Self::Bound => "bound",
            Self::FastTrackMl => "FastTrackML",
            Self::MlFlow => "MLflow",
        }
    }
}

/// Characters of an error in a cell.
const LONGEST_WORDS: usize = 90;

/// What was done, to how much data of what kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) work: &'static str,
    pub(crate) size: usize,
    pub(crate) of: &'static str,
}

/// What was read off: its name and unit, and digits behind the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figure(pub(crate) &'static str, pub(crate) usize);

/// Numbers, which a figure's name explains, and a remark; or only why there are none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    numbers: Vec<f64>,
    remark: String,
}

impl<const N: usize> From<[f64; N]> for Cell {
    fn from(numbers: [f64; N]) -> Self {
        Self { numbers: numbers.to_vec(), remark: String::new() }
    }
}

impl From<String> for Cell {
    fn from(remark: String) -> Self {
        Self { numbers: Vec::new(), remark }
    }
}

impl Cell {
    /// With words beside its numbers.
    pub(crate) fn remarked(mut self, remark: String) -> Self {
        self.remark = remark;
        self
    }

    fn render(&self, digits: usize) -> String {
        let numbers: Vec<String> = self.numbers.iter().map(|number| show(*number, digits)).collect();
        match (numbers.is_empty(), self.remark.is_empty()) {
            (false, false) => format!("{} ({})", numbers.join(" / "), self.remark),
            (false, true) => numbers.join(" / "),
            (true, _) => self.remark.clone(),
        }
    }

    /// The number by which sizes are compared; a remark says that it stands for another size.
    fn comparable(&self) -> Option<f64> {
        self.numbers.first().copied().filter(|number| self.remark.is_empty() && *number > 0.0)
    }
}

#[derive(Debug)]
struct Line {
    place: Place,
    figure: Figure,
    cells: Vec<(Column, Cell)>,
}

impl Line {
    fn cell(&self, column: Column) -> Option<&Cell> {
        self.cells.iter().find(|(of, _)| *of == column).map(|(_, cell)| cell)
    }
}

/// All that was measured, in the order in which its lines were begun.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

impl Report {
    pub(crate) fn put(&mut self, place: Place, figure: Figure, column: Column, cell: impl Into<Cell>) {
        let known = self.lines.iter().position(|line| line.place == place && line.figure == figure);
        let at = known.unwrap_or_else(|| {
            self.lines.push(Line { place, figure, cells: Vec::new() });
            self.lines.len() - 1
        });
        self.lines[at].cells.push((column, cell.into()));
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.lines.append(&mut other.lines);
    }

    fn columns(&self) -> Vec<Column> {
        let mut columns = Column::ALL.to_vec();
        columns.retain(|column| self.lines.iter().any(|line| line.cell(*column).is_some()));
        columns
    }

    /// Every figure.
    pub(crate) fn render(&self) -> String {
        let columns = self.columns();
        let mut lines = head(&["work", "of", "figure"], &columns);
        for line in &self.lines {
            let Place { work, size, of } = line.place;
            let cells: Vec<String> = columns
                .iter()
                .map(|column| line.cell(*column).map_or(String::new(), |cell| cell.render(line.figure.1)))
                .collect();
            let size = show_count(size);
            lines.push(format!("| {work} | {size} {of} | {} | {} |", line.figure.0, cells.join(" | ")));
        }
        lines.join("\n") + "\n"
    }

    /// How each figure grows with its size: ratios to the smallest. Empty where nothing has two sizes.
    pub(crate) fn render_growth(&self) -> String {
        let columns = self.columns();
        let mut lines = head(&["work", "sizes", "figure"], &columns);
        let (heading, mut seen) = (lines.len(), Vec::new());
        for Line { place, figure, .. } in &self.lines {
            let same: Vec<&Line> = self
                .lines
                .iter()
                .filter(|line| (line.place.work, line.figure) == (place.work, *figure))
                .collect();
            if same.len() < 2 || seen.contains(&(place.work, *figure)) {
                continue;
            }
            seen.push((place.work, *figure));
            let sizes: Vec<String> = same.iter().map(|line| show_count(line.place.size)).collect();
            let cells: Vec<String> = columns.iter().map(|column| ratios(&same, *column)).collect();
            if cells.iter().all(String::is_empty) {
                continue;
            }
            let (sizes, of) = (sizes.join(" : "), place.of);
            lines.push(format!("| {} | {sizes} {of} | {} | {} |", place.work, figure.0, cells.join(" | ")));
        }
        if lines.len() == heading { String::new() } else { lines.join("\n") + "\n" }
    }
}

fn head(names: &[&str], columns: &[Column]) -> Vec<String> {
    let titles: Vec<&str> =
        names.iter().copied().chain(columns.iter().map(|column| column.title())).collect();
    vec![
        format!("| {} |", titles.join(" | ")),
        format!("|{}{}", "---|".repeat(names.len()), "---:|".repeat(columns.len())),
    ]
}

fn ratios(lines: &[&Line], column: Column) -> String {
    let numbers: Vec<Option<f64>> =
        lines.iter().map(|line| line.cell(column).and_then(Cell::comparable)).collect();
    let Some(Some(first)) = numbers.first() else { return String::new() };
    if numbers.iter().flatten().count() < 2 {
        return String::new();
    }
    let ratio = |number: &Option<f64>| number.map_or("?".to_owned(), |number| show(number / first, 2));
    numbers.iter().map(ratio).collect::<Vec<_>>().join(" : ")
}

/// The beginning of an error's text, for a cell.
pub(crate) fn short(error: &str) -> String {
    let words: Vec<&str> =
        error.split(|character: char| character == '|' || character.is_whitespace()).collect();
    words.join(" ").chars().take(LONGEST_WORDS).collect()
}

/// A whole number with its thousands apart.
pub(crate) fn show_count(count: usize) -> String {
    show(count as f64, 0)
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

    const PAGE: Figure = Figure("p50 / p99, ms", 1);

    fn place(size: usize) -> Place {
        Place { work: "run list", size, of: "runs" }
    }

    #[test]
    fn each_place_and_figure_is_a_line_and_each_who_was_measured_a_column() {
        let mut report = Report::default();
        report.put(place(1000), PAGE, Column::Sqlite, [2.0, 4.04]);
        report.put(place(10_000), PAGE, Column::Sqlite, [3.0, 5.0]);
        report.put(place(1000), PAGE, Column::MlFlow, Cell::from([1200.0]).remarked("900 runs".to_owned()));
        report.put(place(10_000), PAGE, Column::MlFlow, "too slow".to_owned());
        assert_eq!(
            report.render(),
            "| work | of | figure | Counterweight | MLflow |\n|---|---|---|---:|---:|\n\
             | run list | 1 000 runs | p50 / p99, ms | 2.0 / 4.0 | 1 200.0 (900 runs) |\n\
             | run list | 10 000 runs | p50 / p99, ms | 3.0 / 5.0 | too slow |\n"
        );
        assert_eq!(
            report.render_growth(),
            "| work | sizes | figure | Counterweight | MLflow |\n|---|---|---|---:|---:|\n\
             | run list | 1 000 : 10 000 runs | p50 / p99, ms | 1.00 : 1.50 |  |\n"
        );
    }

    #[test]
    fn one_size_does_not_grow() {
        let mut report = Report::default();
        report.put(place(1000), PAGE, Column::Sqlite, [2.0]);
        assert_eq!(report.render_growth(), "");
    }
}
