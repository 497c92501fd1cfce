//! The load: threads that each send one request after another to a server and count the answers. It knows where
//! an HTTP message ends and nothing else of what it carries.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{self, Process};

/// How long a server may take over one answer before the load fails.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// Where a request holds a number; one with fewer digits is padded with spaces, so that no length changes.
pub const NUMBER: &str = "<number>";

/// A request as it goes over the wire, and what a right answer to it looks like.
#[derive(Clone)]
pub struct Request {
    pub bytes: Vec<u8>,
    /// Where in `bytes` a number goes, if anywhere.
    pub number_at: Option<usize>,
    /// How many different numbers there are, from 1 on.
    pub numbers: u64,
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
    pub requests: f64,
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
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
        Ok(Self { stream, answer: vec![0; 4 * 1024] })
    }

    /// Sends `request` and returns the whole answer, of whatever kind it is.
    pub fn exchange(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(request)?;
        let mut filled = 0;
        loop {
            if filled == self.answer.len() {
                self.answer.resize(4 * filled, 0);
            }
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

    /// Whether the server has neither closed this connection nor sent what nobody asked for.
    pub fn is_idle(&mut self) -> bool {
        let read = self.stream.set_nonblocking(true).and_then(|()| self.stream.read(&mut self.answer));
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

/// So many connections, each of which asks for the same.
pub struct Load<'a> {
    server: &'a Process,
    request: &'a Request,
    connections: Vec<Connection>,
    /// Whether each request takes a new connection, instead of one that is kept open.
    fresh: bool,
}

impl<'a> Load<'a> {
    pub fn open(server: &'a Process, request: &'a Request, clients: usize) -> Result<Self> {
        let connections = (0..clients).map(|_| Connection::open(server.address)).collect::<Result<_>>()?;
        Ok(Self { server, request, connections, fresh: false })
    }

    /// A load whose every request takes a new connection.
    pub fn fresh(server: &'a Process, request: &'a Request, clients: usize) -> Result<Self> {
        Ok(Self { fresh: true, ..Self::open(server, request, clients)? })
    }

    /// Sends requests on all connections, a thread for each, which start together, and measures until the last ends.
    pub fn run(&mut self, until: Until) -> Result<Round> {
        let (server, request, fresh) = (self.server, self.request, self.fresh);
        let barrier = Barrier::new(self.connections.len() + 1);
        let client = |number: usize, connection: &mut Connection| {
            let (mut bytes, mut random) = (request.bytes.clone(), 2 * number as u64 + 1);
            barrier.wait();
            let start = Instant::now();
            for sent in 0..until.requests_each {
                if start.elapsed() >= until.time {
                    return Ok(sent);
                }
                if let Some(at) = request.number_at {
                    // Knuth's linear congruential generator: cheap, and its high bits spread well enough.
                    random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let number = 1 + (random >> 33) % request.numbers;
                    write!(&mut bytes[at..at + NUMBER.len()], "{number:>0$}", NUMBER.len())?;
                }
                connection.expect(request, &bytes)?;
                if fresh {
                    // The old one is closed first, so that there are never more connections than clients.
                    connection.stream.shutdown(Shutdown::Both)?;
                    *connection = Connection::open(server.address)?;
                }
            }
            Ok(until.requests_each)
        };
        let connections = &mut self.connections;
        thread::scope(|scope| {
            let client = &client;
            let numbered = connections.iter_mut().enumerate();
            let threads: Vec<_> = numbered
                .map(|(number, connection)| scope.spawn(move || client(number, connection)))
                .collect();
            barrier.wait();
            let (start, cpu_us) = (Instant::now(), process::cpu_us(server.id()));
            let counts = threads.into_iter().map(|thread| thread.join().expect("no client panics"));
            let requests = counts.sum::<Result<u64>>()? as f64;
            let cpu_us = process::cpu_us(server.id()) - cpu_us;
            let requests_per_second = requests / start.elapsed().as_secs_f64();
            Ok(Round { requests, requests_per_second, cpu_us: cpu_us / requests })
        })
    }
}
