//! The first minute: a configuration in the binary, and a line to paste.

use std::io::{self, Write};
use std::net::SocketAddr;

/// The name that messages give the embedded configuration.
pub const NAME: &str = "conf/quickstart.yaml (built in)";

/// The quick start's virtual key, as declared in the configuration. It opens a gateway that listens on loopback only.
pub const KEY: &str = "sk-tollgate-quickstart-0001";

/// What outlives the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Nothing.
    Nothing,
    /// Spend and budgets: there is a data directory.
    Spend,
}

/// Prints the key and a curl line that works when pasted.
///
/// # Errors
/// The output cannot be written.
pub fn greet(out: &mut dyn Write, address: SocketAddr, models: &[String], stored: Stored) -> io::Result<()> {
    let what = match stored {
        Stored::Nothing => "nothing is stored, and",
        Stored::Spend => "spend is stored, and",
    };
    writeln!(out, "\nThis is the quick start: {what} it answers on this machine only.")?;
    writeln!(out, "  key     {KEY}")?;
    writeln!(out, "  models  {}", models.join(", "))?;
    writeln!(out, "\nTry it:\n")?;
    writeln!(out, "  curl http://{address}/v1/chat/completions -H 'Authorization: Bearer {KEY}' \\")?;
    writeln!(out, "    -H 'Content-Type: application/json' \\")?;
    writeln!(
        out,
        "    -d '{{\"model\": \"mock\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}'\n"
    )?;
    writeln!(
        out,
        "Set OPENAI_API_KEY (or another provider's variable) and restart: models like openai/gpt-4o-mini answer then."
    )?;
    writeln!(out, "Your own configuration: tollgate --config config.yaml  (first: tollgate check config.yaml)\n")?;
    out.flush()
}
