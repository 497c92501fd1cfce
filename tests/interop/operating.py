"""The recipes of docs/operating.md as they stand there: Caddy and nginx with TLS, and Litestream.

    EPICME=target/epicme PACKAGES=target/interop target/interop/venv/bin/python tests/interop/operating.py

What a reader replaces is replaced here: the host name, the ports, and the paths of files. The server is started with the
options that the page names. Through each proxy come the whole sign-in of the Python SDK, the doctor, the largest body, an
event stream, and strangers who write the headers of a proxy. The program speaks no TLS, so the doctor goes through a
forwarder, as the page says.
"""

import http.client
import json
import os
import re
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager

from check import check, expect, finish

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'attacks'))
from proxies import CADDY, EPICME, MIB, NGINX, PACKAGES, PASSWORD, PATIENCE, PING, Programs, free_port, unpack

EMAIL = 'ada@example.com'
NAME = 'journal.example'
HERE = os.path.dirname(os.path.abspath(__file__))
LITESTREAM = [os.path.join(os.path.dirname(PACKAGES), place, 'bin/litestream') for place in ('venv', 'python')]

with open(os.path.join(HERE, '../../docs/operating.md')) as file:
    PAGE = file.read()


def section(heading):
    return PAGE.split(f'\n## {heading}\n')[1].split('\n## ')[0]


def recipe(heading, language):
    """The one block of a language under a heading."""
    blocks = re.findall(f'^```{language}\n(.*?)^```$', section(heading), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1, f'{len(blocks)} {language} blocks under {heading}'
    return blocks[0]


def options(heading, public):
    """The options that the page gives the server."""
    named = re.search(r'Start the server with `([^`]+)`', section(heading))[1]
    return named.replace(f'https://{NAME}', public).split(' ')


def replaced(text, *pairs):
    for old, new in pairs:
        assert old in text, f'the recipe has no {old!r}'
        text = text.replace(old, new)
    return text


def wait_for(what, holds, patience=PATIENCE):
    start = time.monotonic()
    while not holds():
        expect(time.monotonic() < start + patience, f'{what}: not within {patience} seconds')
        time.sleep(0.05)


class Server:
    """A server with one person and a token of theirs."""

    def __init__(self, programs, name, serve_options):
        self.database = f'{programs.scratch}/{name}.db'
        self.log_file = f'{programs.scratch}/{name}-server.log'
        serve = [EPICME, 'serve', '--listen', '127.0.0.1:0', '--database', self.database, *serve_options]
        self.log_handle = open(self.log_file, 'wb')
        self.process = programs.start(name, *serve, stdout=subprocess.PIPE, stderr=self.log_handle, text=True)
        self.address = self.process.stdout.readline().strip().removeprefix('listening on http://')
        self.command('user', 'add', EMAIL, '--password-stdin', text=PASSWORD)
        self.token = self.command('token', 'create', EMAIL, *serve_options[:2])

    def command(self, *words, text='', database=None):
        run = [EPICME, *words, '--database', database or self.database]
        return subprocess.run(run, input=text, capture_output=True, text=True, check=True).stdout.strip()

    def log(self):
        with open(self.log_file) as file:
            return file.read()

    def call(self, connection, tool, arguments):
        body = json.dumps(message('tools/call', {'name': tool, 'arguments': arguments}))
        connection.request('POST', '/mcp', body, headers(self.token))
        answer = json.loads(connection.getresponse().read())
        expect('result' in answer and not answer['result'].get('isError'), answer)
        return answer['result']


def message(method, params):
    return {'jsonrpc': '2.0', 'id': 1, 'method': method, 'params': params}


def headers(token, **more):
    own = {'Authorization': f'Bearer {token}', 'Content-Type': 'application/json'}
    return own | {'Accept': 'application/json, text/event-stream'} | more


# --- proxies ---


def start_caddy(programs, port):
    recipe_text = recipe('Caddy', 'caddyfile')
    # What the page says for a network without a public name. Another program of this machine may have port 80.
    site = replaced(recipe_text, (f'{NAME} {{', f'localhost:{port} {{\n\ttls internal'), ('8787', 'SERVER'))
    settings = '{\nadmin off\nskip_install_trust\nauto_https disable_redirects\n}\n'
    data = f'{programs.scratch}/caddy'
    programs.environment['XDG_DATA_HOME'] = programs.scratch

    def start(server_port):
        with open(f'{programs.scratch}/Caddyfile', 'w') as file:
            file.write(settings + site.replace('SERVER', str(server_port)))
        run = ['run', '--config', f'{programs.scratch}/Caddyfile', '--adapter', 'caddyfile']
        programs.start('caddy', CADDY, *run)
        root = f'{data}/pki/authorities/local/root.crt'
        wait_for('the certificate authority of Caddy', lambda: os.path.exists(root))
        return root

    return start


def start_nginx(programs, port):
    folder = programs.scratch
    certificate = f'{folder}/{NAME}'
    make = (
        f'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=epicme-interop'
        f' -keyout {folder}/ca.key -out {folder}/ca.pem -addext keyUsage=critical,keyCertSign\n'
        f'openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost'
        f' -keyout {certificate}.key -out {folder}/csr.pem\n'
        f'printf "subjectAltName=DNS:localhost" >{folder}/names\n'
        f'openssl x509 -req -in {folder}/csr.pem -CA {folder}/ca.pem -CAkey {folder}/ca.key -CAcreateserial -days 2'
        f' -extfile {folder}/names -out {certificate}.pem\n'
    )
    subprocess.run(['sh', '-ec', make], check=True, capture_output=True)
    letsencrypt = f'/etc/letsencrypt/live/{NAME}'
    site = replaced(
        recipe('nginx', 'nginx'),
        (f'{letsencrypt}/fullchain.pem', f'{certificate}.pem'),
        (f'{letsencrypt}/privkey.pem', f'{certificate}.key'),
        ('listen 443 ssl;', f'listen 127.0.0.1:{port} ssl;'),
        ('listen [::]:443 ssl;', f'listen [::1]:{port} ssl;' if has_ipv6() else ''),
        (f'server_name {NAME};', 'server_name localhost;'),
        # What the page says for a public URL with a port.
        ('$host;', '$http_host;'),
        ('8787', 'SERVER'),
    )
    kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    temporary = ' '.join(f'{kind}_temp_path {folder}/{kind};' for kind in kinds)

    def start(server_port):
        with open(f'{folder}/nginx.conf', 'w') as file:
            file.write(
                f'daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr error;\nevents {{ }}\n'
                f'http {{ access_log off; {temporary}\n{site.replace("SERVER", str(server_port))}\n}}\n'
            )
        programs.start('nginx', NGINX, '-p', folder, '-e', 'stderr', '-c', f'{folder}/nginx.conf')
        return f'{folder}/ca.pem'

    return start


def has_ipv6():
    try:
        socket.create_server(('::1', 0), family=socket.AF_INET6).close()
        return True
    except OSError:
        return False


class Proxy:
    """One of the two, in front of a server of its own."""

    def __init__(self, programs, heading, prepare):
        self.heading = heading
        self.port = free_port()
        self.public = f'https://localhost:{self.port}'
        start = prepare(programs, self.port)
        self.server = Server(programs, f'behind-{heading}', options(heading, self.public))
        self.authority = start(self.server.address.split(':')[1])
        programs.wait_for({heading: self.port})
        self.tls = ssl.create_default_context(cafile=self.authority)
        wait_for('a certificate', self.has_a_certificate)  # Caddy listens before it has made one

    def has_a_certificate(self):
        try:
            self.connect().connect()
            return True
        except ssl.SSLError:
            return False

    def connect(self, source='127.0.0.1'):
        """A connection as a client at an address of this machine opens it, with the certificate checked."""
        connection = http.client.HTTPSConnection(
            'localhost', self.port, timeout=PATIENCE, context=self.tls, source_address=(source, 0)
        )
        connection._create_connection = lambda _, *rest: socket.create_connection(('127.0.0.1', self.port), *rest)
        return connection

    def ask(self, method, path, body=None, fields=None, source='127.0.0.1'):
        connection = self.connect(source)
        connection.request(method, path, body, fields or {})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer, text

    # What is checked.

    def challenges_with_the_public_url(self):
        answer, _ = self.ask('POST', '/mcp', b'{}', {'Content-Type': 'application/json'})
        challenge = answer.getheader('WWW-Authenticate', '')
        expect(answer.status == 401 and f'"{self.public}/.well-known/' in challenge, (answer.status, challenge))

    def logs_the_client(self):
        # 127.0.0.1 is trusted, other addresses of this machine aren't.
        for number, (source, spoofed) in enumerate([
            ('127.0.0.2', {}),
            ('127.0.0.3', {'X-Forwarded-For': '6.6.6.6'}),
            ('127.0.0.4', {'Forwarded': 'for=6.6.6.6'}),
            ('127.0.0.5', {'X-Forwarded-For': '6.6.6.6, 127.0.0.1', 'Forwarded': 'for=6.6.6.6;by="'}),
            ('127.0.0.6', {'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'http', 'X-Real-IP': '6.6.6.6'}),
        ]):
            answer, _ = self.ask('GET', f'/nothing-{number}', fields=spoofed, source=source)
            expect(answer.status == 404, answer.status)
            line = f' {source} GET /nothing-{number} 404'
            wait_for(f'the log has {line!r}', lambda: line in self.server.log(), 5)
        for wrong in ['6.6.6.6', 'believed']:
            expect(wrong not in self.server.log(), f'the log has {wrong!r}')

    def takes_the_largest_body(self):
        fields = headers(self.server.token)
        for size in [MIB + 1, 4 * MIB]:
            answer, text = self.ask('POST', '/mcp', PING.ljust(size), fields)
            expect(answer.status == 200 and b'"result":{' in text, (size, answer.status, text[:200]))

    def passes_a_stream_on_as_it_comes(self):
        meta = {
            'io.modelcontextprotocol/protocolVersion': '2026-07-28',
            'io.modelcontextprotocol/clientCapabilities': {},
        }
        params = {'notifications': {'resourceSubscriptions': ['epicme://tags']}, '_meta': meta}
        fields = {'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': 'subscriptions/listen'}
        body = json.dumps(message('subscriptions/listen', params))
        connection = self.connect()
        connection.request('POST', '/mcp', body, headers(self.server.token) | fields)
        # Read as bytes: http.client gives lines of a response that hasn't ended only by chance.
        wire, came = connection.sock, b''
        wire.settimeout(10)

        def read_until(part):
            # The connection stays open, so what a proxy holds back doesn't come.
            nonlocal came
            while part not in came:
                read = wire.recv(4096)
                expect(read, f'the stream ended before {part}, after {came}')
                came += read

        read_until(b'notifications/subscriptions/acknowledged')
        self.server.call(self.connect(), 'create_tag', {'name': 'news'})
        read_until(b'notifications/resources/updated')
        connection.close()

    def lets_the_python_sdk_sign_in(self):
        environment = dict(os.environ, MCP_URL=f'{self.public}/mcp', EMAIL=EMAIL, PASSWORD=PASSWORD)
        environment['SSL_CERT_FILE'] = self.authority
        done = subprocess.run(
            [sys.executable, f'{HERE}/oauth.py'], env=environment, capture_output=True, text=True, timeout=PATIENCE * 2
        )
        expect(done.returncode == 0 and ', 0 failed' in done.stdout, done.stdout + done.stderr)

    def passes_the_doctor(self):
        with forwarder(self.port, self.tls) as port:
            doctor = [EPICME, 'doctor', f'{self.public}/mcp', '--connect', f'127.0.0.1:{port}']
            done = subprocess.run(doctor, capture_output=True, text=True, timeout=PATIENCE)
        expect(done.returncode == 0 and 'FAIL' not in done.stdout, done.stdout + done.stderr)


@contextmanager
def forwarder(to_port, tls):
    """Forwards a port to the same server with TLS, as socat does."""
    listener = socket.create_server(('127.0.0.1', 0))

    def pump(source, target):
        try:
            while part := source.recv(65536):
                target.sendall(part)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one side has gone

    def accept():
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            coded = tls.wrap_socket(socket.create_connection(('127.0.0.1', to_port)), server_hostname='localhost')
            for ends in [(plain, coded), (coded, plain)]:
                threading.Thread(target=pump, args=ends, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


# --- Litestream ---


class Replica:
    """A journal that Litestream replicates by the recipe."""

    def __init__(self, programs):
        self.programs = programs
        self.litestream = next(path for path in LITESTREAM if os.path.exists(path))
        self.server = Server(programs, 'replicated', ['--public-url', 'http://localhost:1'])
        self.config = f'{programs.scratch}/litestream.yml'
        paths = ('/srv/epicme/journal.db', self.server.database), ('/backup/epicme', f'{programs.scratch}/replica')
        with open(self.config, 'w') as file:
            file.write(replaced(recipe('Replicate with Litestream', 'yaml'), *paths))
        assert 'litestream replicate -config /etc/litestream.yml\n' in PAGE
        self.process = programs.start('litestream', self.litestream, 'replicate', '-config', self.config)
        self.titles = []

    def write(self, size, seconds):
        host, port = self.server.address.split(':')
        connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            title = f'entry {len(self.titles)}'
            self.server.call(connection, 'create_entry', {'title': title, 'content': 'x' * size})
            self.titles.append(title)

    def restored(self, name):
        """The titles in what Litestream makes of its replica elsewhere, as `epicme export` finds them there."""
        database = f'{self.programs.scratch}/{name}.db'
        assert 'litestream restore -config /etc/litestream.yml -o /srv/epicme/journal.db /srv/epicme/journal.db\n' in PAGE
        run = [self.litestream, 'restore', '-config', self.config, '-o', database, self.server.database]
        done = subprocess.run(run, capture_output=True, text=True)
        expect(done.returncode == 0, done.stdout + done.stderr)
        connection = sqlite3.connect(database)
        pragmas = ['integrity_check', 'foreign_key_check']
        found = [row for pragma in pragmas for row in connection.execute(f'PRAGMA {pragma}')]
        connection.close()
        expect(found == [('ok',)], found)
        exported = json.loads(self.server.command('export', EMAIL, database=database))
        return sorted(entry['title'] for entry in exported['entries'])

    # What is checked.

    def has_all_after_a_kill(self):
        # Some megabytes at once, so that checkpoints of both programs come while writes go on.
        self.write(200, 4)
        self.write(50_000, 4)
        self.write(200, 2)
        self.server.process.kill()
        self.server.process.wait()
        # Litestream copies once a second. What the killed server has acknowledged is in the file, and it goes on.
        wanted, number = sorted(self.titles), 0

        def is_there():
            nonlocal number
            number += 1
            return self.restored(f'restored-{number}') == wanted

        wait_for(f'all {len(wanted)} entries in the replica', is_there, 30)

    def goes_on_with_the_server(self):
        address = self.server.address
        serve = [EPICME, 'serve', '--listen', address, '--database', self.server.database]
        serve += ['--public-url', 'http://localhost:1']
        log = open(self.server.log_file, 'ab')
        self.server.process = self.programs.start('again', *serve, stdout=subprocess.PIPE, stderr=log, text=True)
        self.server.process.stdout.readline()
        self.write(200, 1)
        self.server.process.terminate()
        expect(self.server.process.wait(PATIENCE) == 0, 'the server did not end well')
        wanted = sorted(self.titles)
        wait_for('the entries after a restart', lambda: self.restored(f'later-{time.monotonic()}') == wanted, 30)


def main(scratch):
    programs = Programs(scratch)
    try:
        for heading, prepare in [('Caddy', start_caddy), ('nginx', start_nginx)]:
            print(f'{heading} with TLS, by docs/operating.md', flush=True)
            proxy = Proxy(programs, heading, prepare)
            check('the challenge has the public URL', proxy.challenges_with_the_public_url)
            check("the log has the client's address, whatever the client writes", proxy.logs_the_client)
            check('the Python SDK signs in, writes, refreshes', proxy.lets_the_python_sdk_sign_in)
            check('the largest body passes', proxy.takes_the_largest_body)
            check('a stream is passed on as it comes', proxy.passes_a_stream_on_as_it_comes)
            check('the doctor finds nothing wrong', proxy.passes_the_doctor)
        print('Litestream, by docs/operating.md', flush=True)
        replica = Replica(programs)
        check('all that was acknowledged is in the replica after kill -9', replica.has_all_after_a_kill)
        check('the replica goes on with the server after a restart', replica.goes_on_with_the_server)
    finally:
        programs.end()
    return finish()


unpack()
with tempfile.TemporaryDirectory(prefix='epicme-operating-') as folder:
    code = main(folder)
sys.exit(code)
