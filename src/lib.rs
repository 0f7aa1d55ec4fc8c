//! Tollgate: an LLM gateway on Pingora.
//!
//! A thin asynchronous shell over a pure synchronous core. The shell ([`proxy`], [`mock`], [`cli`]) owns sockets,
//! files and tasks. The core is handed bytes, configuration and the time, and answers with decisions and bytes.
//!
//! | module | what it is for |
//! |---|---|
//! | [`vocabulary`] | the words every module shares: time, money, tokens, names, secrets, faults |
//! | [`json`] | one strict scan of a body, edits by splice, and an incremental scan of replies |
//! | [`wire`] | incremental decoders without I/O: server-sent events |
//! | [`chat`] | the neutral form between two dialects |
//! | [`dialect`] | what clients speak: the OpenAI API |
//! | [`provider`] | what upstreams speak: OpenAI-compatible vendors as table rows, and Azure |
//! | [`policy`] | who may call what, and how often: keys, access, limits |
//! | [`identity`] | tokens of an identity provider, verified, and what their claims mean |
//! | [`routing`] | model groups, aliases, wildcards and the choice of a deployment |
//! | [`pricing`] | the price book, the cost of a usage, and token counts where none is reported |
//! | [`roster`] | who there is: keys, teams, users on record |
//! | [`ledger`] | accounts (reserve, settle, void), budget windows and receipts |
//! | [`store`] | the durable ledger: a journal and SQLite |
//! | [`admin`] | the management API: keys, teams, users over HTTP |
//! | [`exchange`] | the life of one request, as a machine without I/O |
//! | [`telemetry`] | events that log and count in one step |
//! | [`config`] | LiteLLM's YAML, checked, with the place of every key |
//! | [`proxy`] | the only place that names Pingora |
//! | [`mock`] | a fake provider for trying, testing and benchmarking |
//! | [`cli`] | arguments, `check`, the quick start |

pub mod admin;
pub mod chat;
pub mod cli;
pub mod config;
pub mod dialect;
pub mod exchange;
pub mod fleet;
pub mod identity;
pub mod json;
pub mod ledger;
pub mod mock;
pub mod policy;
pub mod pricing;
pub mod provider;
pub mod proxy;
pub mod roster;
pub mod routing;
pub mod store;
pub mod telemetry;
pub mod vocabulary;
pub mod wire;
