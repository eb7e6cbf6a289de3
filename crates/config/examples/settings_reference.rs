//! Prints the reference page of the settings: `docs/settings.md` is its output.

fn main() {
    print!("{}", oxicorn_config::reference::page());
}
