//! The terminal, while it doesn't show what a person types.
//!
//! Knows nothing of passwords. Invariant: once the program has ended, the terminal shows again what is typed, whichever
//! way it ended, except by SIGKILL. Shells that don't repair a terminal themselves, `dash` and `ssh -t` among them,
//! would leave the person typing blind.
//!
//! The kernel goes on editing the line (a character or the line is erased, a line ends), as it does for a program that
//! knows nothing of terminals. So the line is read, and checked, as one of standard input is.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::thread;

use nix::libc::_POSIX_VDISABLE;
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::{not_ignored, read_line};

/// The terminal of this process; it shows what is typed again when the value is dropped.
pub(super) struct HiddenInput {
    terminal: File,
    /// The settings that the terminal had before.
    before: Termios,
}

impl HiddenInput {
    /// Fails if the process has no terminal.
    pub(super) fn new() -> io::Result<HiddenInput> {
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&terminal)?;
        let mut hiding = before.clone();
        hiding.local_flags.remove(LocalFlags::ECHO);
        // Of what is typed the line end alone is shown. The other two make the kernel edit the line and send a signal
        // at Ctrl-C, also if the program that had the terminal before has turned them off.
        hiding.local_flags.insert(LocalFlags::ECHONL | LocalFlags::ICANON | LocalFlags::ISIG);
        // Ctrl-Z would give the terminal to the shell as it is. Without its meaning it is a character like another, and
        // refused in the line.
        hiding.control_chars[SpecialCharacterIndices::VSUSP as usize] = _POSIX_VDISABLE;

        // From here on a signal waits until the thread below reads it, which is after the terminal was changed: the
        // thread can't restore the settings too early.
        let mut signals = Signals::new(not_ignored(&[SIGHUP, SIGINT, SIGQUIT, SIGTERM]))?;
        let hidden = HiddenInput { terminal, before };
        tcsetattr(&hidden.terminal, SetArg::TCSANOW, &hiding)?;
        let (mut terminal, before) = (hidden.terminal.try_clone()?, hidden.before.clone());
        // The thread stays until the program ends, because the default of these signals can't be restored before one
        // comes. By then the terminal may have its settings back, and gets them again.
        let restore = move || {
            if let Some(signal) = signals.forever().next() {
                let _ = tcsetattr(&terminal, SetArg::TCSANOW, &before);
                let _ = terminal.write_all(b"\n");
                // The shell must see that a signal ended the program: it ends a script then too.
                let _ = emulate_default_handler(signal);
            }
        };
        thread::Builder::new().name("signals".into()).spawn(restore)?;
        Ok(hidden)
    }

    /// Shows `prompt`, and reads the line that is typed, with its end; nothing if Ctrl-D is typed instead.
    pub(super) fn ask(&mut self, prompt: &str, bytes_max: usize) -> io::Result<Vec<u8>> {
        self.terminal.write_all(prompt.as_bytes())?;
        // The kernel gives a line at a time, so this buffer takes nothing of the next one.
        let line = read_line(BufReader::new(&self.terminal), bytes_max)?;
        if !line.ends_with(b"\n") {
            self.terminal.write_all(b"\n")?; // what is printed next begins a line
        }
        Ok(line)
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, SetArg::TCSANOW, &self.before); // fails only if the terminal has gone
    }
}
