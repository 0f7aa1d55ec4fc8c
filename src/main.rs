//! The `tollgate` command: arguments to settings to serving. The only place that ends the process.

fn main() {}
