//! Which tables there are beside the records, and how their columns stand in a line.

/// A table as lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    /// The kind of its lines.
    pub(super) kind: &'static str,
    /// Its name on file.
    pub(super) name: &'static str,
    /// The columns that tell a row from all others.
    pub(super) key: &'static [&'static str],
    /// All columns that are carried.
    pub(super) columns: &'static [Column],
}

/// A column, under its own name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Type,
    /// Whether it may be null.
    pub(super) optional: bool,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// A whole number.
    Whole,
    /// A text.
    Text,
    /// Bytes: hexadecimal digits in a line.
    Bytes,
    /// Two columns, `_micro` and `_pico`: exact dollars as a text in a line.
    Money,
}

const fn whole(name: &'static str) -> Column {
    Column { name, kind: Type::Whole, optional: false }
}

const fn text(name: &'static str) -> Column {
    Column { name, kind: Type::Text, optional: false }
}

const fn bytes(name: &'static str) -> Column {
    Column { name, kind: Type::Bytes, optional: false }
}

const fn money(name: &'static str) -> Column {
    Column { name, kind: Type::Money, optional: false }
}

const fn maybe(column: Column) -> Column {
    Column { optional: true, ..column }
}

impl Column {
    /// Its names on file.
    pub(super) fn on_file(&self) -> Vec<String> {
        match self.kind {
            Type::Money => vec![format!("{}_micro", self.name), format!("{}_pico", self.name)],
            Type::Whole | Type::Text | Type::Bytes => vec![self.name.to_owned()],
        }
    }
}

impl Table {
    /// The names of all columns on file.
    pub(super) fn on_file(&self) -> Vec<String> {
        self.columns.iter().flat_map(Column::on_file).collect()
    }
}

/// What is always there, in the order of the lines.
pub(super) const SUMS: &[Table] = &[
    Table {
        kind: "account",
        name: "account",
        key: &["account", "window_end"],
        columns: &[bytes("account"), whole("window_end"), money("spent")],
    },
    Table {
        kind: "daily",
        name: "daily",
        key: &["day", "key", "model", "deployment"],
        columns: &[
            whole("day"),
            bytes("key"),
            text("model"),
            text("deployment"),
            text("key_alias"),
            text("model_group"),
            text("upstream"),
            text("provider"),
            whole("requests"),
            whole("failed"),
            whole("prompt"),
            whole("completion"),
            whole("cache_read"),
            whole("cache_write"),
            whole("reasoning"),
            money("cost"),
        ],
    },
    Table {
        kind: "daily_of",
        name: "daily_of",
        key: &["kind", "day", "id", "key", "model", "deployment"],
        columns: &[
            whole("kind"),
            whole("day"),
            text("id"),
            bytes("key"),
            text("model"),
            text("deployment"),
            text("key_alias"),
            text("model_group"),
            text("upstream"),
            text("provider"),
            whole("requests"),
            whole("failed"),
            whole("prompt"),
            whole("completion"),
            whole("cache_read"),
            whole("cache_write"),
            whole("reasoning"),
            money("cost"),
        ],
    },
    Table {
        kind: "audit",
        name: "audit",
        key: &["id"],
        columns: &[
            text("id"),
            whole("at_ms"),
            text("by_user"),
            maybe(bytes("by_key")),
            text("action"),
            text("table_name"),
            text("object_id"),
            text("before"),
            text("after"),
        ],
    },
];

/// What is there where it is asked for.
pub(super) const RECEIPTS: Table = Table {
    kind: "receipt",
    name: "spend",
    key: &["exchange"],
    columns: &[
        text("exchange"),
        whole("stage"),
        whole("outcome"),
        whole("day"),
        whole("started_ms"),
        whole("ended_ms"),
        maybe(bytes("key")),
        maybe(text("key_alias")),
        maybe(text("model")),
        maybe(text("model_group")),
        maybe(text("deployment")),
        whole("metered"),
        whole("prompt"),
        whole("completion"),
        whole("cache_read"),
        whole("cache_write"),
        whole("reasoning"),
        money("cost"),
        bytes("booked"),
        maybe(text("team")),
        maybe(text("user")),
        maybe(text("organization")),
        maybe(text("customer")),
        maybe(text("tags")),
        maybe(text("provider")),
        maybe(text("upstream")),
        maybe(text("api_base")),
        whole("call"),
        maybe(text("session")),
        maybe(text("client_ip")),
        maybe(whole("first_ms")),
        whole("status"),
        maybe(text("error")),
        whole("input_pico"),
    ],
};

/// The table whose lines are of this kind.
pub(super) fn of_kind(kind: &str) -> Option<&'static Table> {
    SUMS.iter().chain(std::iter::once(&RECEIPTS)).find(|table| table.kind == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Durability;

    #[test]
    fn every_column_on_file_is_carried_but_for_the_place_in_the_audit_log() {
        let directory = std::env::temp_dir().join(format!("tollgate-transfer-table-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let connection = crate::store::schema::open(&directory, Durability::Strict).unwrap();
        for table in SUMS.iter().chain([&RECEIPTS]) {
            let query = format!("SELECT name FROM pragma_table_info('{}') ORDER BY name", table.name);
            let mut statement = connection.prepare(&query).unwrap();
            let names = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
            let names: Vec<_> = names.map(Result::unwrap).filter(|name| name != "number").collect();
            let mut carried = table.on_file();
            carried.sort();
            assert_eq!(carried, names, "{}", table.name);
        }
        std::fs::remove_dir_all(&directory).ok();
    }
}
