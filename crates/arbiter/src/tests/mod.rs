//! Processes under a fake clock: every order of signals, deaths and silences, without a process.

mod crashes;
mod deaths;
mod recycling;
mod reload;
mod shutdown;
mod sim;
mod templates;
mod timeouts;
mod upgrade;
mod workers;
