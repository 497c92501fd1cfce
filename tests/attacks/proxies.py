# Early refusals behind the proxies that people use. The server refuses a request by its head and doesn't read the body,
# but a proxy goes on to send it: if the server closed meanwhile, the kernel would reset the connection, and the client
# would get the proxy's 502 in place of the 401 that tells it to refresh its token. Each refusal must arrive through
# nginx and Caddy, whether they gather a body before they pass it on or not, with the largest body that `/mcp` takes.
#
# And a person must be able to sign in through them for a client with as long a registration as there may be: a proxy
# bounds the head of a request and of a response, and the client's id, which holds its registration, is in both.
#
#     EPICME=target/epicme python3 tests/attacks/proxies.py
#
# The proxies are Debian's packages, unpacked into target/interop and not installed: an installed one would start a
# service on port 80.
import html
import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

EPICME = os.path.abspath(os.environ.get('EPICME', 'target/epicme'))
PACKAGES = os.path.join(os.path.abspath(os.environ.get('PACKAGES', 'target/interop')), 'proxies')
NGINX, CADDY = PACKAGES + '/usr/sbin/nginx', PACKAGES + '/usr/bin/caddy'
MIB = 1024 * 1024
SIZES = [MIB, 3 * MIB // 2, 2 * MIB, 4 * MIB]
TRIES = 8
AT_ONCE = 4  # as many as a person has clients, and more than the machine has cores
PATIENCE = 60
PASSWORD = 'a password for proxies'
REGISTRATION_BYTES = 4000  # as many as the server takes
REDIRECT_URI_BYTES = 1900


def unpack():
    if os.path.exists(NGINX) and os.path.exists(CADDY):
        return
    print('unpacking nginx and Caddy into target/interop/proxies', flush=True)
    os.makedirs(PACKAGES, exist_ok=True)
    script = 'apt-get update && apt-get download nginx caddy && for file in *.deb; do dpkg-deb -x "$file" .; done'
    done = subprocess.run(['sh', '-ec', script], cwd=PACKAGES, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        return listener.getsockname()[1]


class Programs:
    """The server and the proxies, which end with this script; what they print goes to the scratch folder."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.running = []
        self.environment = dict(os.environ, HOME=scratch, XDG_DATA_HOME=scratch, XDG_CONFIG_HOME=scratch)

    def start(self, name, *command, **options):
        log = open(f'{self.scratch}/{name}.log', 'wb')
        options = {'stdout': log, 'stderr': log, 'env': self.environment} | options
        self.running.append(subprocess.Popen(command, **options))
        return self.running[-1]

    def end(self):
        for program in self.running:
            program.send_signal(signal.SIGKILL)
            program.wait()

    def start_server(self):
        """Gives the server's address, a good token, and one that has expired."""
        database = ['--database', f'{self.scratch}/journal.db']
        serve = [EPICME, 'serve', '--listen', '127.0.0.1:0', *database]
        server = self.start('epicme', *serve, stdout=subprocess.PIPE, text=True)
        address = server.stdout.readline().strip().removeprefix('listening on http://')

        def command(*words, text=''):
            run = [EPICME, *words, *database]
            return subprocess.run(run, input=text, capture_output=True, text=True, check=True).stdout.strip()

        command('user', 'add', 'ada@example.com', '--password-stdin', text=PASSWORD)
        good = command('token', 'create', 'ada@example.com')
        expired = command('token', 'create', 'ada@example.com', '--expires', '1s')
        time.sleep(2)  # its second must have passed
        return address, good, expired

    def start_nginx(self, address):
        kept = 'proxy_http_version 1.1; proxy_set_header Connection "";'
        sites = {
            'nginx as it comes': '',  # gathers the body first, and speaks HTTP/1.0 to the server
            'nginx, kept alive': kept,
            'nginx, unbuffered': 'proxy_request_buffering off;',
            'nginx, unbuffered, 1.1': 'proxy_request_buffering off; proxy_http_version 1.1;',
            'nginx, unbuffered, kept alive': f'proxy_request_buffering off; {kept}',
        }
        ports = {name: free_port() for name in sites}
        to_server = f'proxy_pass http://epicme; proxy_set_header Host {address};'
        servers = '\n'.join(
            f'server {{ listen 127.0.0.1:{ports[name]}; location / {{ {to_server} {settings} }} }}'
            for name, settings in sites.items()
        )
        kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        temporary = ' '.join(f'{kind}_temp_path {self.scratch}/{kind};' for kind in kinds)
        with open(f'{self.scratch}/nginx.conf', 'w') as file:
            # nginx's own limit for a body is 1 MB, so who sends more through it has raised it.
            file.write(
                f'daemon off; master_process off; pid {self.scratch}/nginx.pid; error_log stderr error;\n'
                f'events {{ }}\nhttp {{ access_log off; {temporary} client_max_body_size 16m;\n'
                f'upstream epicme {{ server {address}; keepalive 8; }}\n{servers}\n}}\n'
            )
        self.start('nginx', NGINX, '-p', self.scratch, '-e', 'stderr', '-c', f'{self.scratch}/nginx.conf')
        return ports

    def start_caddy(self, address):
        single = 'transport http {\nkeepalive off\n}'
        sites = {
            'Caddy as it comes': '',  # passes the body on as it arrives, and keeps connections to the server
            'Caddy, buffered': 'buffer_requests',
            'Caddy, not kept alive': single,
            'Caddy, buffered, not kept alive': f'buffer_requests\n{single}',
        }
        ports = {name: free_port() for name in sites}
        with open(f'{self.scratch}/Caddyfile', 'w') as file:
            file.write('{\nadmin off\nauto_https off\n}\n')
            for name, settings in sites.items():
                proxy = f'reverse_proxy {address} {{\nheader_up Host {address}\n{settings}\n}}'
                file.write(f'http://127.0.0.1:{ports[name]} {{\n{proxy}\n}}\n')
        self.start('caddy', CADDY, 'run', '--config', f'{self.scratch}/Caddyfile', '--adapter', 'caddyfile')
        return ports

    def wait_for(self, ports):
        start = time.monotonic()
        for port in ports.values():
            while True:
                try:
                    socket.create_connection(('127.0.0.1', port)).close()
                    break
                except OSError:
                    if time.monotonic() > start + PATIENCE:
                        sys.exit(f'nothing listens on port {port}')
                    time.sleep(0.1)


JSON = {'Content-Type': 'application/json'}
FORM = {'Content-Type': 'application/x-www-form-urlencoded'}
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
INVALID = r'Bearer .*error="invalid_token"'


def refusals(good, expired):
    """What is sent, and the status that it gets: words, method, path, fields, sizes of the body, status, challenge."""

    def bearer(token):
        return JSON | {'Authorization': f'Bearer {token}'}

    trusted = bearer(good)
    too_large = [4 * MIB + 1, 6 * MIB, 12 * MIB]
    return [
        ('no token', 'POST', '/mcp', JSON, SIZES, 401, r'Bearer (?!.*error=).*resource_metadata='),
        ('an expired token', 'POST', '/mcp', bearer(expired), SIZES, 401, INVALID),
        ('a wrong token', 'POST', '/mcp', bearer('nothing'), SIZES, 401, INVALID),
        ('a foreign page', 'POST', '/mcp', trusted | {'Origin': 'https://evil.example'}, SIZES, 403, None),
        ('no such path', 'POST', '/nothing', trusted, SIZES, 404, None),
        ('a wrong method', 'PUT', '/mcp', trusted, SIZES, 405, None),
        ('a form that is too large', 'POST', '/token', FORM, SIZES, 413, None),
        ('a body that is too large', 'POST', '/mcp', trusted, too_large, 413, None),
        ('no JSON', 'POST', '/mcp', trusted | {'Content-Type': 'text/plain'}, SIZES, 415, None),
        ('nothing wrong', 'POST', '/mcp', trusted, SIZES, 200, None),
    ]


def send(port, request, size, chunked):
    """Sends one request on a connection of its own; gives what comes back, an answer or an error.

    It reads while it writes: a proxy that has answered may reset the rest of a body, and a client that takes a failed
    write for the end misses the answer that is there.
    """
    _, method, path, fields, *_ = request
    body = PING.ljust(size)
    if chunked:
        frame = {'Transfer-Encoding': 'chunked'}
        body = b''.join(b'10000\r\n%b\r\n' % body[at : at + 65536] for at in range(0, size - 65535, 65536))
        rest = PING.ljust(size)[size - size % 65536 :]
        body += (b'%x\r\n%b\r\n' % (len(rest), rest) if rest else b'') + b'0\r\n\r\n'
    else:
        frame = {'Content-Length': size}
    lines = [f'{method} {path} HTTP/1.1', f'Host: 127.0.0.1:{port}', 'Connection: close']
    lines += [f'{name}: {value}' for name, value in (fields | frame).items()]
    head = '\r\n'.join(lines).encode() + b'\r\n\r\n'

    def write(connection):
        try:
            connection.sendall(head + body)
        except OSError:
            pass  # what counts is the answer

    answer = b''
    with socket.create_connection(('127.0.0.1', port), timeout=PATIENCE) as connection:
        writer = threading.Thread(target=write, args=(connection,))
        writer.start()
        try:
            while not whole(answer):
                part = connection.recv(65536)
                if not part:
                    break
                answer += part
        except OSError as error:
            answer = answer or type(error).__name__.encode()
        # An answer that has come needs no more of the body.
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        writer.join()
    return answer.decode('latin1')


def whole(answer):
    head, separator, body = answer.partition(b'\r\n\r\n')
    length = re.search(rb'\r\ncontent-length: (\d+)', head, re.IGNORECASE)
    return bool(separator) and length is not None and len(body) >= int(length[1])


def judge(request, answer):
    """What is wrong with an answer; None if nothing is."""
    *_, status, challenge = request
    if not answer.startswith(f'HTTP/1.1 {status} '):
        return (answer.split('\r\n')[0] or 'no answer').removeprefix('HTTP/1.1 ')
    if not whole(answer.encode('latin1')):
        return 'half an answer'
    found = re.search(r'\r\nwww-authenticate: (.*)\r\n', answer, re.IGNORECASE)
    if challenge and not (found and re.match(challenge, found[1])):
        return f'the challenge {found and found[1]}'
    if status == 200 and '"result":{' not in answer:
        return answer
    return None


def sign_in(port):
    """A person connects a client with as long a registration as there may be. What is wrong; None if nothing is.

    The client's id holds its registration, and every URL and form on the way holds the id. A proxy has bounds for the
    head of a request and of a response.
    """
    cookie = {}

    def ask(method, path, fields=None, body=b''):
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=PATIENCE)
        connection.request(method, path, body, (fields or {}) | cookie)
        answer = connection.getresponse()
        page = answer.read().decode()
        connection.close()
        for field in answer.msg.get_all('Set-Cookie', []):
            cookie['Cookie'] = field.split(';')[0]
        return answer.status, answer.getheader('Location', ''), page

    def hidden(page, name):
        return html.unescape(re.search(f'name="{name}" value="([^"]*)"', page)[1])

    def form(page, **fields):
        own = {name: hidden(page, name) for name in ('form', 'request')}
        return FORM, urllib.parse.urlencode(own | fields).encode()

    longest = 'https://app.example/' + 'x' * REDIRECT_URI_BYTES
    metadata = {
        'client_name': 'y' * 100,
        'redirect_uris': [longest, 'https://app.example/'.ljust(REGISTRATION_BYTES - 100 - len(longest), 'x')],
    }
    status, _, answer = ask('POST', '/register', JSON, json.dumps(metadata).encode())
    if status != 201:
        return f'{status} for the registration'
    query = urllib.parse.urlencode({
        'response_type': 'code',
        'client_id': json.loads(answer)['client_id'],
        'redirect_uri': longest,
        'code_challenge': 'x' * 43,
        'code_challenge_method': 'S256',
        'state': 'z' * 400,
    })
    status, _, page = ask('GET', f'/authorize?{query}')
    if status != 200:
        return f'{status} for the sign-in page'
    status, _, page = ask('POST', '/sign-in', *form(page, email='ada@example.com', password=PASSWORD))
    if status not in (200, 303):
        return f'{status} for the sign-in'
    status, _, page = ask('GET', f'/authorize?{query}')
    if status != 200:
        return f'{status} for the consent page'
    status, location, _ = ask('POST', '/authorize', *form(page, decision='allow', **{'tags:read': '1'}))
    return None if status == 303 and '?code=' in location else f'{status} for Allow'


def main(scratch):
    programs = Programs(scratch)
    passed = failed = 0
    try:
        address, good, expired = programs.start_server()
        ports = {'direct': int(address.split(':')[1])}
        ports |= programs.start_nginx(address) | programs.start_caddy(address)
        programs.wait_for(ports)
        print('early refusals and sign-ins through proxies', flush=True)
        for name, port in ports.items():
            start, arrived, total = time.monotonic(), 0, 0
            faults = []
            for request in refusals(good, expired):
                tries = list(itertools.product([port], [request], request[4], [False, True] * (TRIES // 2)))
                with ThreadPoolExecutor(AT_ONCE) as pool:
                    answers = pool.map(lambda one: send(*one), tries)
                    wrong = Counter(fault for answer in answers if (fault := judge(request, answer)))
                total += len(tries)
                arrived += len(tries) - wrong.total()
                if wrong:
                    failed += 1
                    said = ', '.join(f'{fault}: {count} of {len(tries)}' for fault, count in wrong.items())
                    faults.append(f'  FAILED {request[5]} for {request[0]}, through {name}\n         {said}')
                else:
                    passed += 1
            fault = sign_in(port)
            total += 1
            arrived += fault is None
            passed += fault is None
            failed += fault is not None
            if fault:
                faults.append(f'  FAILED {fault} of a client with a long registration, through {name}')
            seconds = time.monotonic() - start
            print(f'  {name}: {arrived} of {total} answers arrived, in {seconds:.1f} s', flush=True)
            for fault in faults:
                print(fault, flush=True)
    finally:
        programs.end()
    print(f'{passed} passed, {failed} failed')
    return 0 if failed == 0 else 1


if __name__ == '__main__':
    unpack()
    with tempfile.TemporaryDirectory(prefix='epicme-proxies-') as folder:
        code = main(folder)
    sys.exit(code)
