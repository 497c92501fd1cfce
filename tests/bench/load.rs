//! The load: threads that each send one request after another to a server and count the answers. It knows where
//! an HTTP message ends and nothing else of what it carries.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{self, Process};

/// How long a server may take over one answer before the whole run fails.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// Where a request holds a number; one with fewer digits is padded with spaces, so that no length changes.
pub const NUMBER: &str = "<number>";

/// A request as it goes over the wire, and what a right answer to it looks like.
pub struct Request {
    pub bytes: Vec<u8>,
    /// Where in `bytes` a random number from 1 to `number_max` goes, if anywhere.
    pub number_at: Option<usize>,
    pub number_max: u64,
    /// The first bytes of the answer.
    pub status: &'static str,
    /// Length of the whole answer. A right one may differ by 64 bytes: numbers and times have more or fewer digits.
    pub answer_bytes: usize,
}

/// When a load ends: the sooner of the two, for each connection by itself.
#[derive(Clone, Copy)]
pub struct Until {
    pub time: Duration,
    pub requests_each: u64,
}

/// What a load brought.
#[derive(Clone, Copy)]
pub struct Round {
    pub requests_per_second: f64,
    /// User and system time that the server's process spent, in microseconds for each request.
    pub cpu_us: f64,
}

/// Length of the HTTP message that `bytes` begin with, head and body, once its head is whole.
pub fn message_bytes(bytes: &[u8]) -> Option<usize> {
    let head_bytes = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let mut lines = bytes[..head_bytes].split(|byte| *byte == b'\n');
    let length = lines.find_map(|line| {
        let (name, value) = line.split_at_checked("content-length:".len())?;
        name.eq_ignore_ascii_case(b"content-length:").then_some(value)
    });
    let body_bytes = length.map_or(Some(0), |value| std::str::from_utf8(value).ok()?.trim().parse().ok());
    Some(head_bytes + body_bytes?)
}

/// One connection with one request at a time on it.
pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub fn open(server: &Process) -> Result<Self> {
        let stream = TcpStream::connect(server.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
        Ok(Self { stream, answer: vec![0; 16 * 1024] })
    }

    /// Sends `request` and returns the whole answer, of whatever kind it is.
    pub fn exchange(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(request)?;
        let mut filled = 0;
        loop {
            match self.stream.read(&mut self.answer[filled..])? {
                0 => return Err(Error::from(ErrorKind::UnexpectedEof)),
                count => filled += count,
            }
            match message_bytes(&self.answer[..filled]) {
                Some(whole) if whole == filled => return Ok(&self.answer[..filled]),
                Some(whole) if whole < filled => {
                    return Err(Error::other("more bytes than Content-Length says"));
                }
                _ => {}
            }
        }
    }

    /// Sends `request` and fails unless the answer is the one it should get.
    pub fn expect(&mut self, request: &Request, bytes: &[u8]) -> Result<()> {
        let answer = self.exchange(bytes)?;
        let right = answer.starts_with(request.status.as_bytes())
            && answer.len().abs_diff(request.answer_bytes) <= 64;
        if right { Ok(()) } else { Err(Error::other(String::from_utf8_lossy(answer))) }
    }
}

/// Sends `request` from so many `clients`, a thread each, which start together, and measures until the last ends.
/// `fresh`: with a new connection for every request, instead of one kept open.
pub fn run(server: &Process, request: &Request, clients: u64, fresh: bool, until: Until) -> Round {
    let barrier = Barrier::new(clients as usize + 1);
    let client = |number: u64| {
        let opened = Connection::open(server);
        // A thread that fails must come here too, or the others would wait for ever.
        barrier.wait();
        let (mut connection, mut bytes, mut random) = (Some(opened?), request.bytes.clone(), 2 * number + 1);
        let start = Instant::now();
        for sent in 0..until.requests_each {
            if start.elapsed() >= until.time {
                return Ok(sent);
            }
            if let Some(at) = request.number_at {
                // Knuth's linear congruential generator: cheap, and its high bits spread well enough.
                random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let number = 1 + (random >> 33) % request.number_max;
                write!(&mut bytes[at..at + NUMBER.len()], "{number:>0$}", NUMBER.len())?;
            }
            // The old one is closed first, so that there are never more connections than clients.
            let kept = connection.take().filter(|_| !fresh);
            let kept = connection.insert(kept.map_or_else(|| Connection::open(server), Ok)?);
            kept.expect(request, &bytes)?;
        }
        Ok(until.requests_each)
    };
    thread::scope(|scope| {
        let client = &client;
        let threads: Vec<_> = (0..clients).map(|number| scope.spawn(move || client(number))).collect();
        barrier.wait();
        let (start, cpu_us) = (Instant::now(), process::cpu_us(server.id()));
        let counts = threads.into_iter().map(|thread| thread.join().expect("no client panics"));
        let requests = counts.sum::<Result<u64>>().expect("each answer is whole and right") as f64;
        let cpu_us = process::cpu_us(server.id()) - cpu_us;
        Round { requests_per_second: requests / start.elapsed().as_secs_f64(), cpu_us: cpu_us / requests }
    })
}
