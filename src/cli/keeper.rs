//! The thread of `serve` that watches the database file, and backs it up when that is due.
//!
//! Serves no request. Invariants: a backup that fails is told and tried again, and never stops the server; and what is
//! counted and deleted is a backup of this very database, under a name of just the form that this thread gives. So a
//! folder that another server backs up to as well loses none of the other's.
//!
//! When a backup is due follows from the names in the folder, not from when the server began: a server that is started
//! each morning makes one a day too.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::{CliError, CommandLine, token};
use crate::app::App;
use crate::backup::{self, BackupError, Stamp};
use crate::clock::Timestamp;
use crate::limits;
use crate::settings;
use crate::stderr;
use crate::store::{self, CopyError, StoreError};

/// Where, how often and how many.
pub(super) struct Schedule {
    folder: PathBuf,
    every: i64,
    keep: usize,
}

/// Reads `--backup-to` and what belongs to it; `None` without it.
pub(super) fn schedule(line: &CommandLine) -> Result<Option<Schedule>, CliError> {
    let Some(folder) = line.value("backup-to").map(PathBuf::from) else {
        let left = ["every", "keep"].into_iter().find(|name| line.value(name).is_some());
        return left.map_or(Ok(None), |name| {
            Err(CliError::Usage(format!("--{name} is for the backups of --backup-to DIR, and there is none")))
        });
    };
    if !folder.is_dir() {
        let why = "there is no such folder; make it, and have it belong to the user who runs this";
        return Err(CliError::Failed(format!("{}: {why}", folder.display())));
    }
    let every = line.value("every").unwrap_or_else(|| "24h".to_owned());
    let every = token::seconds(&every).ok_or_else(|| {
        CliError::Usage(format!("--every takes a time like 90s 15m 12h 30d, not {every:?}"))
    })?;
    let keep = line.value("keep").unwrap_or_else(|| limits::BACKUPS_KEPT.to_string());
    let number = keep.parse().ok().filter(|keep| *keep > 0);
    let keep = number.ok_or_else(|| {
        CliError::Usage(format!("--keep takes how many backups are kept, at least 1, not {keep:?}"))
    })?;
    Ok(Some(Schedule { folder, every, keep }))
}

/// The thread, for as long as this value lives.
pub(super) struct Keeper {
    stop: Arc<AtomicBool>,
    /// Dropped to wake the thread.
    wake: Option<Sender<()>>,
    /// Ends when the thread does.
    ended: Receiver<()>,
}

impl Keeper {
    /// Starts the thread. Where none can be made, the server serves without it, and says so.
    pub(super) fn start(app: &Arc<App>, schedule: Option<Schedule>) -> Keeper {
        let stop = Arc::<AtomicBool>::default();
        let ((wake, waked), (ending, ended)) = (mpsc::channel(), mpsc::channel::<()>());
        let (app, stopped) = (Arc::clone(app), Arc::clone(&stop));
        let keep = move || {
            keep(&app, schedule, &stopped, &waked);
            drop(ending);
        };
        if let Err(error) = thread::Builder::new().name("keeper".into()).spawn(keep) {
            stderr::note(&format!(
                "the database file isn't watched, and there are no backups of it: {error}"
            ));
        }
        Keeper { stop, wake: Some(wake), ended }
    }

    /// Has the thread end. A backup that is being made is given up, which takes a moment.
    pub(super) fn stop(&mut self) {
        self.stop.store(true, SeqCst);
        self.wake = None;
    }

    /// Waits until the thread has ended, but not for long: it may be waiting for a disk. Until then its copy may be
    /// reading the log, which would then stay beside the file.
    pub(super) fn finish(&self) {
        let _ = self.ended.recv_timeout(limits::KEEPER_STOP_MAX);
    }
}

fn keep(app: &App, schedule: Option<Schedule>, stop: &Arc<AtomicBool>, waked: &Receiver<()>) {
    let mut file = FileWatch { is_told: false };
    let mut backups = schedule.map(Backups::of);
    loop {
        // While another file has the name of the database, a copy under a usual name would push good ones out.
        if file.is_in_place(app)
            && let Some(backups) = &mut backups
        {
            backups.make_if_due(app, stop);
        }
        match waked.recv_timeout(limits::KEEPER_LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return,
        }
    }
}

/// Watches whether the name of the database still leads to the file that the server has open.
struct FileWatch {
    is_told: bool,
}

impl FileWatch {
    /// Returns whether it does, and tells the operator once that it doesn't.
    fn is_in_place(&mut self, app: &App) -> bool {
        let is_in_place = app.store.is_in_place();
        if !is_in_place && !self.is_told {
            let path = app.store.path().display();
            stderr::note(&format!(
                "{path} was moved, deleted or replaced while this server has it open, so nothing is written any more, \
                 because a later start wouldn't find it. If the file has another name now, move it back; otherwise stop the \
                 server, put the right file in its place (epicme restore FILE), and start again"
            ));
        }
        if is_in_place && self.is_told {
            stderr::note(&format!("{} is back in its place", app.store.path().display()));
        }
        self.is_told = !is_in_place;
        is_in_place
    }
}

/// The backups in the folder, and when the next one is made.
struct Backups {
    schedule: Schedule,
    /// After a failure it waits so long.
    not_before: Option<Instant>,
    /// The backup from the future that was told.
    future_told: Option<Stamp>,
    /// What the files were found to be, for as long as they stay as they are.
    looked_at: BTreeMap<FileState, bool>,
    /// Whether the operator was told that there are backups of others.
    others_told: bool,
}

/// A file by its name, its inode and its time of change.
type FileState = (Stamp, u64, i64, i64);

impl Backups {
    fn of(schedule: Schedule) -> Backups {
        let looked_at = BTreeMap::new();
        Backups { schedule, not_before: None, future_told: None, looked_at, others_told: false }
    }

    fn make_if_due(&mut self, app: &App, stop: &Arc<AtomicBool>) {
        if self.not_before.is_some_and(|moment| Instant::now() < moment) {
            return;
        }
        let told = self.schedule.folder.display().to_string();
        let made = self
            .is_due(app, Timestamp::now())
            .and_then(|is_due| if is_due { self.make(app, stop) } else { Ok(()) });
        self.not_before = None;
        if let Err(why) = made
            && !stop.load(SeqCst)
        {
            let wait = limits::BACKUP_RETRY.min(Duration::from_secs(self.schedule.every.unsigned_abs()));
            self.not_before = Some(Instant::now() + wait);
            stderr::note(&format!(
                "no backup was made in {told}: {why}; the next try is in {} seconds",
                wait.as_secs()
            ));
        }
    }

    /// Returns whether the newest backup is old enough. One from the future says nothing: the clock was set back since,
    /// or it was wrong when it was made.
    fn is_due(&mut self, app: &App, now: Timestamp) -> Result<bool, String> {
        let stamps = self.stamps(app).map_err(|error| error.to_string())?;
        let newest = stamps.iter().rfind(|stamp| stamp.moment() <= now);
        let future = stamps.last().filter(|stamp| stamp.moment() > now).copied();
        if let Some(stamp) = future
            && self.future_told != future
        {
            stderr::note(&format!(
                "the backup {} is from the future by this machine's clock, so it isn't counted, and isn't deleted; if the \
                 clock is right, delete it",
                stamp.name()
            ));
        }
        self.future_told = future;
        Ok(newest.is_none_or(|stamp| stamp.moment().plus(self.schedule.every) <= now))
    }

    fn make(&mut self, app: &App, stop: &Arc<AtomicBool>) -> Result<(), String> {
        self.remove_unfinished().map_err(|error| error.to_string())?;
        let now = Timestamp::now();
        let stamp = Stamp::of(now);
        let path = self.schedule.folder.join(stamp.name());
        let made = match backup::make(&app.store, &path, false, &mut |_| (), Arc::clone(stop)) {
            // Another server has made its own in this second. The next look comes in another one.
            Err(BackupError::Copy(CopyError::Exists | CopyError::InProgress)) => return Ok(()),
            made => made.map_err(|error| error.to_string())?,
        };
        stderr::note(&format!("backed up to {}: {}; checked", path.display(), made.contents));
        if let Err(error) = made.remember(&app.store) {
            error.note("the database can't keep when it was backed up");
        }
        if let Err(error) = self.delete_oldest(app, now) {
            stderr::note(&format!(
                "an old backup in {} can't be deleted: {error}; see that the folder belongs to the user of this server",
                self.schedule.folder.display()
            ));
        }
        Ok(())
    }

    /// Removes what killed servers have left. Each backup has another name, so the next one doesn't do it.
    fn remove_unfinished(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.schedule.folder)? {
            let name = entry?.file_name();
            let target = name.to_str().and_then(|name| name.strip_suffix(store::UNFINISHED));
            if let Some(stamp) = target.and_then(Stamp::parse) {
                store::remove_unfinished_copy(&self.schedule.folder.join(stamp.name()));
            }
        }
        Ok(())
    }

    /// Deletes the oldest backups beyond those that are kept. It is called after a new one was made and checked.
    fn delete_oldest(&mut self, app: &App, now: Timestamp) -> io::Result<()> {
        let stamps = self.stamps(app)?;
        let made = stamps.iter().filter(|stamp| stamp.moment() <= now);
        let count = made.clone().count().saturating_sub(self.schedule.keep);
        made.take(count).try_for_each(|stamp| fs::remove_file(self.schedule.folder.join(stamp.name())))
    }

    /// The backups of this database in the folder, the oldest first. A name of another form is of none, and so is a
    /// file that is no copy of it; the operator is told once that there are such. Each file is opened once.
    fn stamps(&mut self, app: &App) -> io::Result<Vec<Stamp>> {
        let (mut own, mut looked_at, mut other) = (Vec::new(), BTreeMap::new(), None);
        for entry in fs::read_dir(&self.schedule.folder)? {
            let entry = entry?;
            let Some(stamp) = entry.file_name().to_str().and_then(Stamp::parse) else { continue };
            // Another server may have deleted it meanwhile.
            let Some(found) = entry.metadata().ok().filter(Metadata::is_file) else { continue };
            let state = (stamp, found.ino(), found.mtime(), found.mtime_nsec());
            let known = self.looked_at.get(&state).copied();
            // One that can't be read just now isn't counted, and is looked at again.
            let Some(is_own) = known.or_else(|| is_of(app, &entry.path())) else { continue };
            looked_at.insert(state, is_own);
            if is_own { own.push(stamp) } else { other = Some(stamp) }
        }
        self.looked_at = looked_at;
        if let Some(stamp) = other.filter(|_| !self.others_told) {
            self.others_told = true;
            stderr::note(&format!(
                "{} in {} is no backup of this database, so it and others like it are neither counted nor deleted; let \
                 each database have a folder of its own",
                stamp.name(),
                self.schedule.folder.display()
            ));
        }
        own.sort();
        Ok(own)
    }
}

/// Returns whether a file is a copy of the database that is served; `None` where that can't be seen.
fn is_of(app: &App, path: &Path) -> Option<bool> {
    let own = app.store.look_up(|connection| Ok::<_, StoreError>(settings::identity(connection)?)).ok()??;
    let found = app.store.look_into_copy(path, settings::identity).ok()?;
    Some(found.flatten() == Some(own))
}
