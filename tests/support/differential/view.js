// Reads documents (base64, one a line) with JSON.parse and prints what it makes of the fields that decide.
const lines = require("fs").readFileSync(0, "latin1").split("\n");
const text = (value) => (value == null ? "-" : "s" + Buffer.from(value, "utf8").toString("hex"));
const number = (value) => (value == null ? "-" : String(value));
const seen = [];
for (const line of lines) {
  if (line === "") continue;
  try {
    const bytes = Buffer.from(line, "base64");
    const body = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
    const options = body.stream_options || {};
    seen.push([
      text(body.model),
      body.stream ? "1" : "0",
      options.include_usage ? "1" : "0",
      number(body.max_tokens),
      number(body.max_completion_tokens),
      number(body.n || 1),
      text(body.user),
    ].join(" "));
  } catch (error) {
    seen.push("refused " + error.name);
  }
}
process.stdout.write(seen.join("\n") + "\n");
