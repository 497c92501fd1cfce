//! A queue for a few places, in which the many waiting threads of one source don't make the others wait; and a crowd,
//! whose threads wait for a call and not for a place.
//!
//! Knows no request, no password and no token: its users say by two keys for whom a thread waits. Invariant: at most
//! [`QueueBounds::places`] threads hold a [`Place`] at once, and no thread waits longer than
//! [`QueueBounds::wait_max`].
//!
//! In a plain queue, a stranger who sends a hundred requests is served a hundred times before the person who sends
//! one. And if a plain queue refuses the next thread when it is full, the stranger has only to keep it full. So the
//! waiting threads are sorted twice. A *group* is what one source has waiting: all threads of one network address,
//! for example. Within its group, a *member* is what waits for one thing: all threads for one account, for example.
//! Two rules follow:
//!
//! - The groups take turns, and within a group its members. A thread waits for one turn of each other group, and
//!   within its own group for one turn of each other member, however many threads they have.
//! - When the queue is full, the oldest thread of the largest member of the largest group is refused. So a source with
//!   many threads pushes out its own.
//!
//! The second rule holds in a [`Crowd`] too, where no thread has a turn: all threads of one member are called at once.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use crate::lock::locked;

/// For whom a thread waits: a digest, so that all keys are of one size.
pub(crate) type Key = [u8; 32];

/// What bounds a queue.
#[derive(Clone, Copy)]
pub(crate) struct QueueBounds {
    /// How many threads may hold a place at once.
    pub(crate) places: usize,
    /// How many threads may wait. Each is a worker of the server, which can answer no other request meanwhile.
    pub(crate) waiting_max: usize,
    /// How long a thread may wait.
    pub(crate) wait_max: Duration,
}

/// The queue.
pub(crate) struct FairQueue {
    bounds: QueueBounds,
    state: Mutex<State>,
}

/// Why a thread got no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum QueueError {
    /// [`QueueBounds::waiting_max`] threads waited, and this one was the oldest of the largest member of the largest
    /// group.
    PushedOut,
    /// The thread has waited for [`QueueBounds::wait_max`].
    WaitedTooLong,
}

impl fmt::Display for QueueError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            QueueError::PushedOut => "too many wait already",
            QueueError::WaitedTooLong => "the wait took too long",
        })
    }
}

impl Error for QueueError {}

/// One of the places. When it is dropped, also while a panic unwinds, one of the waiting threads gets it.
pub(crate) struct Place<'q>(&'q FairQueue);

impl FairQueue {
    pub(crate) fn new(bounds: QueueBounds) -> FairQueue {
        FairQueue { bounds, state: Mutex::new(State::new(bounds.places)) }
    }

    /// Waits for a place, as `member` of `group`.
    pub(crate) fn enter(&self, group: Key, member: Key) -> Result<Place<'_>, QueueError> {
        let (number, called) = {
            let mut state = locked(&self.state);
            // A place is free only while no thread waits: a place that is given back goes to a waiting thread.
            if state.free > 0 {
                state.free -= 1;
                return Ok(Place(self));
            }
            if state.waiting() >= self.bounds.waiting_max {
                state.push_out();
            }
            state.add(group, member)
        };
        match called.recv_timeout(self.bounds.wait_max) {
            Ok(()) => return Ok(Place(self)),
            Err(RecvTimeoutError::Disconnected) => return Err(QueueError::PushedOut),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let mut state = locked(&self.state);
        // The thread may have been called after its time was up and before it took the lock. Then it has the place,
        // and no other thread would get it.
        if called.try_recv().is_ok() {
            return Ok(Place(self));
        }
        state.remove(number);
        Err(QueueError::WaitedTooLong)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = locked(&self.0.state);
        match state.next() {
            // The call arrives: the thread still has the other end of the channel, because it removes its ticket,
            // under this lock, before it gives up.
            Some(ticket) => _ = ticket.call.send(()),
            None => state.free += 1,
        }
    }
}

/// Threads that wait until what they have in common is done: for the answer that another thread is asking for, for
/// example.
pub(crate) struct Crowd {
    waiting_max: usize,
    state: Mutex<State>,
}

/// One thread's place in a crowd. It may be made under a lock that the wait must not hold.
pub(crate) struct CrowdTicket(Receiver<()>);

impl Crowd {
    /// Makes a crowd of at most `waiting_max` threads.
    pub(crate) fn new(waiting_max: usize) -> Crowd {
        Crowd { waiting_max, state: Mutex::new(State::new(0)) }
    }

    /// Adds the calling thread, as `member` of `group`. If the crowd is full, another thread makes room.
    pub(crate) fn join(&self, group: Key, member: Key) -> CrowdTicket {
        let mut state = locked(&self.state);
        if state.waiting() >= self.waiting_max {
            state.push_out();
        }
        CrowdTicket(state.add(group, member).1)
    }

    /// Calls all threads of a member, whatever their group.
    pub(crate) fn call(&self, member: Key) {
        for ticket in locked(&self.state).take_member(member) {
            // This fails only if the thread has ended.
            _ = ticket.call.send(());
        }
    }
}

impl CrowdTicket {
    /// Waits until the thread is called. The one that calls must do so in any case: there is no other end to the wait
    /// but to be pushed out.
    pub(crate) fn wait(self) -> Result<(), QueueError> {
        self.0.recv().map_err(|_| QueueError::PushedOut)
    }
}

/// What the lock of a queue guards.
struct State {
    free: usize,
    /// The number of the next ticket.
    next_number: u64,
    /// The groups of which a thread waits; the first is called next.
    groups: VecDeque<Group>,
}

/// The waiting threads of one group. There is always one.
struct Group {
    key: Key,
    /// The members for whom a thread waits; the first is called next.
    members: VecDeque<Member>,
}

/// The waiting threads of one member, oldest first. There is always one.
struct Member {
    key: Key,
    tickets: VecDeque<Ticket>,
}

/// One waiting thread.
struct Ticket {
    /// Tickets are numbered in the order in which the threads came.
    number: u64,
    /// Calls the thread. If this is dropped instead, the thread knows that it was pushed out.
    call: SyncSender<()>,
}

impl Group {
    fn waiting(&self) -> usize {
        self.members.iter().map(|member| member.tickets.len()).sum()
    }

    fn oldest(&self) -> Option<u64> {
        self.members.iter().filter_map(Member::oldest).min()
    }
}

impl Member {
    fn oldest(&self) -> Option<u64> {
        self.tickets.front().map(|ticket| ticket.number)
    }
}

/// Finds the entry with `key`, or adds one at the end. The lists are walked: they hold no more entries than threads
/// wait, and what a thread waits for takes a thousand times as long as the walk.
fn entry<T>(list: &mut VecDeque<T>, is_it: impl Fn(&T) -> bool, new: T) -> &mut T {
    let at = list.iter().position(is_it).unwrap_or_else(|| {
        list.push_back(new);
        list.len() - 1
    });
    &mut list[at]
}

impl State {
    fn new(free: usize) -> State {
        State { free, next_number: 0, groups: VecDeque::new() }
    }

    fn waiting(&self) -> usize {
        self.groups.iter().map(Group::waiting).sum()
    }

    /// Adds the calling thread; returns the number of its ticket, and where it is called.
    fn add(&mut self, group: Key, member: Key) -> (u64, Receiver<()>) {
        // There is room for the one call, so the thread that makes it never waits for the one that is called.
        let (call, called) = mpsc::sync_channel(1);
        let number = self.next_number;
        self.next_number += 1;
        let new = Group { key: group, members: VecDeque::new() };
        let group = entry(&mut self.groups, |known| known.key == group, new);
        let new = Member { key: member, tickets: VecDeque::new() };
        let member = entry(&mut group.members, |known| known.key == member, new);
        member.tickets.push_back(Ticket { number, call });
        (number, called)
    }

    /// Takes the ticket of the thread whose turn it is. Its group and its member go to the end of their lists.
    fn next(&mut self) -> Option<Ticket> {
        let mut group = self.groups.pop_front()?;
        let mut member = group.members.pop_front()?;
        let ticket = member.tickets.pop_front();
        if !member.tickets.is_empty() {
            group.members.push_back(member);
        }
        if !group.members.is_empty() {
            self.groups.push_back(group);
        }
        ticket
    }

    /// Pushes out the oldest thread of the largest member of the largest group. Among groups of one size it is the
    /// one that has waited for the longest, and so among members: each came on their own, and the oldest is the one
    /// whose client may have given up already.
    fn push_out(&mut self) {
        let largest = self.groups.iter().max_by_key(|group| (group.waiting(), Reverse(group.oldest())));
        let largest = largest.and_then(|group| {
            group.members.iter().max_by_key(|member| (member.tickets.len(), Reverse(member.oldest())))
        });
        if let Some(number) = largest.and_then(Member::oldest) {
            self.remove(number);
        }
    }

    /// Takes the tickets of a member out of every group.
    fn take_member(&mut self, key: Key) -> Vec<Ticket> {
        let mut taken = Vec::new();
        for group in &mut self.groups {
            let members = group.members.iter_mut().filter(|member| member.key == key);
            taken.extend(members.flat_map(|member| member.tickets.drain(..)));
            group.members.retain(|member| !member.tickets.is_empty());
        }
        self.groups.retain(|group| !group.members.is_empty());
        taken
    }

    fn remove(&mut self, number: u64) {
        for group in &mut self.groups {
            for member in &mut group.members {
                member.tickets.retain(|ticket| ticket.number != number);
            }
            group.members.retain(|member| !member.tickets.is_empty());
        }
        self.groups.retain(|group| !group.members.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn queue(waiting_max: usize, wait_max: Duration) -> FairQueue {
        FairQueue::new(QueueBounds { places: 1, waiting_max, wait_max })
    }

    fn key(text: &str) -> Key {
        let mut key = [0; 32];
        key[..text.len()].copy_from_slice(text.as_bytes());
        key
    }

    /// Adds a thread for each word, written `group.member`; gives the order in which they are called.
    #[track_caller]
    fn check_order(came: &str, called: &str) {
        let mut state = State::new(0);
        let words: Vec<_> = came.split(' ').collect();
        for word in &words {
            let (group, member) = word.split_once('.').expect("group.member");
            state.add(key(group), key(member));
        }
        let order = std::iter::from_fn(|| state.next()).map(|ticket| words[ticket.number as usize]);
        assert_eq!(order.collect::<Vec<_>>().join(" "), called);
        assert_eq!(state.waiting(), 0);
    }

    #[test]
    fn calls_each_group_in_turn_and_each_member_of_it() {
        check_order("a.x", "a.x");
        check_order("a.1 a.2 a.3 b.1 a.4", "a.1 b.1 a.2 a.3 a.4");
        check_order("a.x a.x a.x a.y", "a.x a.y a.x a.x");
        check_order("a.x a.x a.y b.x b.x c.z", "a.x b.x c.z a.y b.x a.x");
        // A member of one group is not that of another.
        check_order("a.x a.y b.x", "a.x b.x a.y");
    }

    #[track_caller]
    fn check_pushed_out(came: &str, pushed_out: &[usize]) {
        let mut state = State::new(0);
        let threads: Vec<_> = came
            .split(' ')
            .map(|word| {
                let (group, member) = word.split_once('.').expect("group.member");
                state.add(key(group), key(member)).1
            })
            .collect();
        for expected in pushed_out {
            let before: Vec<_> = threads.iter().map(Receiver::try_recv).collect();
            state.push_out();
            let is_new = |at: &usize| {
                threads[*at].try_recv() == Err(mpsc::TryRecvError::Disconnected)
                    && before[*at] == Err(mpsc::TryRecvError::Empty)
            };
            let now: Vec<_> = (0..threads.len()).filter(is_new).collect();
            assert_eq!(now, [*expected], "{came}");
        }
        assert_eq!(state.waiting(), threads.len() - pushed_out.len());
    }

    #[test]
    fn makes_room_from_the_largest_crowd() {
        // The oldest of the larger group, though another one is older.
        check_pushed_out("b.x a.x a.y", &[1]);
        // The oldest of the larger member in it, though another member of it is older.
        check_pushed_out("b.x b.y a.x a.y a.y", &[3]);
        check_pushed_out("a.x a.y a.z b.x", &[0, 1]);
        check_pushed_out("b.x a.x", &[0]);
    }

    #[test]
    fn gives_a_place_to_the_thread_that_waits() {
        let queue = queue(1, Duration::from_secs(60));
        let place = queue.enter(key("a"), key("x")).expect("a free place");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.enter(key("a"), key("y")).is_ok());
            while locked(&queue.state).waiting() == 0 {
                thread::yield_now();
            }
            drop(place);
            assert!(waiting.join().expect("no panic"));
        });
        assert_eq!(locked(&queue.state).free, 1);
    }

    #[test]
    fn pushes_out_the_older_thread_when_it_is_full() {
        let queue = queue(1, Duration::from_secs(60));
        let place = queue.enter(key("a"), key("x")).expect("a free place");
        thread::scope(|scope| {
            let older = scope.spawn(|| queue.enter(key("a"), key("y")).err());
            while locked(&queue.state).waiting() == 0 {
                thread::yield_now();
            }
            let newer = scope.spawn(|| queue.enter(key("b"), key("z")).is_ok());
            assert_eq!(older.join().expect("no panic"), Some(QueueError::PushedOut));
            drop(place);
            assert!(newer.join().expect("no panic"));
        });
    }

    #[test]
    fn gives_up_after_its_time_and_loses_no_place() {
        let queue = queue(1, Duration::from_millis(1));
        let place = queue.enter(key("a"), key("x")).expect("a free place");
        assert_eq!(queue.enter(key("a"), key("y")).err(), Some(QueueError::WaitedTooLong));
        assert_eq!(locked(&queue.state).waiting(), 0);
        drop(place);
        assert!(queue.enter(key("a"), key("y")).is_ok());
    }

    #[test]
    fn calls_all_threads_of_a_member_and_pushes_out_those_of_the_largest() {
        let crowd = Crowd::new(4);
        let many: Vec<_> = (0..3).map(|_| crowd.join(key("a"), key("x"))).collect();
        let few: Vec<_> = ["a", "b"].map(|group| crowd.join(key(group), key("y"))).into();
        crowd.call(key("y"));
        assert!(few.into_iter().all(|ticket| ticket.wait() == Ok(())), "of every group");
        crowd.call(key("x"));
        let outcomes: Vec<_> = many.into_iter().map(CrowdTicket::wait).collect();
        assert_eq!(outcomes, [Err(QueueError::PushedOut), Ok(()), Ok(())]);
        assert_eq!(locked(&crowd.state).waiting(), 0);
    }
}
