"""What `make dist` packs, as those meet it who get no more than the tarball: the unit, and the image.

    EPICME=target/epicme python3 tests/interop/packaging.py

systemd says what it thinks of the unit. There is no engine for containers here, so the image is what its Containerfile
copies, in a root that is empty otherwise, and the server is started there as an engine would start it: as process 1, as
the user and with the variables of the Containerfile, without /proc, /dev, /etc and /tmp. That needs root.
"""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from check import check, expect, finish

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'attacks'))
from proxies import EPICME, PATIENCE, free_port

HERE = os.path.dirname(os.path.abspath(__file__))
EMAIL = 'ada@example.com'
PASSWORD = 'a password for the image'
EXPOSURE_MAX = 1.5


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **options)
    return done.returncode, done.stdout, done.stderr


def unpacked(scratch):
    """The folder of the unpacked release."""
    make = ['make', '--silent', 'tarball', f'BINARY={EPICME}', f'DIST={scratch}/dist']
    code, _, said = run(*make, cwd=os.path.join(HERE, '../..'))
    assert code == 0, said
    (name,) = [name for name in os.listdir(f'{scratch}/dist') if name.endswith('.tar.gz')]
    subprocess.run(['tar', '-xzf', f'dist/{name}'], cwd=scratch, check=True)
    return os.path.join(scratch, name.removesuffix('.tar.gz'))


# --- the unit ---


def systemd_accepts_the_unit(unit):
    code, _, said = run('systemd-analyze', 'verify', '--man=no', unit)
    expect((code, said) == (0, ''), said)


def the_unit_exposes_little(unit):
    _, table, said = run('systemd-analyze', 'security', '--offline=true', '--no-pager', unit)
    level = re.search(r'Overall exposure level for epicme.service: ([0-9.]+)', table)
    expect(level, said)
    print(f'  systemd-analyze security: {level[1]} of 10', flush=True)
    expect(float(level[1]) <= EXPOSURE_MAX, table)


def check_unit(release):
    if not shutil.which('systemd-analyze'):
        print('installing systemd, for systemd-analyze', flush=True)
        install = 'apt-get update && apt-get install --yes --no-install-recommends systemd'
        subprocess.run(['sh', '-ec', install], capture_output=True, check=True)
    # Where the release was unpacked to, the program is elsewhere than the unit says.
    path = f'{release}/lib/systemd/system/epicme.service'
    with open(path) as file:
        unit = file.read()
    expect('ExecStart=/usr/local/bin/epicme serve\n' in unit, unit)
    with open(path, 'w') as file:
        file.write(unit.replace('/usr/local/bin', f'{release}/bin'))
    check('systemd accepts the unit', systemd_accepts_the_unit, path)
    check(f'its exposure is at most {EXPOSURE_MAX}', the_unit_exposes_little, path)


# --- the image ---


class Image:
    """The root that the Containerfile describes, and what it says of the process."""

    def __init__(self, release, root):
        self.root = root
        self.variables = {}
        self.containers = []
        os.mkdir(root)
        with open(f'{release}/Containerfile') as file:
            lines = [line.strip().split(' ', 1) for line in file if line.strip() and line[0] != '#']
        for word, rest in lines:
            if word == 'COPY':
                self.copy(release, rest.split(' '))
            elif word == 'ENV':
                name, value = rest.split('=', 1)
                self.variables[name] = value
            elif word == 'USER':
                self.user, self.group = rest.split(':')
            elif word == 'WORKDIR':
                self.folder = rest
            elif word == 'ENTRYPOINT':
                self.program = json.loads(rest)
            elif word == 'CMD':
                self.command = json.loads(rest)
            elif word == 'HEALTHCHECK':
                self.health = json.loads(rest.split(' CMD ')[1])
            else:
                expect(word in ['FROM', 'VOLUME', 'EXPOSE'], f'{word} is not read')

    def copy(self, release, words):
        *options, source, target = words
        source, target = f'{release}/{source}', self.root + target
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.isdir(source):
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)
        for option in options:
            user, group = option.removeprefix('--chown=').split(':')
            os.chown(target, int(user), int(group))

    def start(self, **variables):
        self.containers.append(Container(self, variables))
        return self.containers[-1]

    def end(self):
        for container in self.containers:
            container.process.kill()  # the kernel ends what is in the container, as `--kill-child` asks it to
            container.process.wait()


class Container:
    """One run of the image."""

    def __init__(self, image, variables):
        self.image = image
        self.variables = image.variables | {'EPICME_LISTEN': f'127.0.0.1:{free_port()}'} | variables
        user = ['--setuid', image.user, '--setgid', image.group, '--wd', image.folder]
        unshare = ['unshare', '--fork', '--pid', '--mount', '--kill-child', f'--root={image.root}', *user]
        self.log = tempfile.TemporaryFile('w+')
        self.process = subprocess.Popen(
            [shutil.which('unshare'), *unshare[1:], *image.program, *image.command],
            env=self.variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True,
        )  # fmt: skip
        self.output = ''
        while not self.output.endswith('/mcp\n'):
            line = self.process.stdout.readline()
            if not line:
                break
            self.output += line
        with open(f'/proc/{self.process.pid}/task/{self.process.pid}/children') as file:
            self.pid = next(iter(file.read().split()), None)

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def run(self, *words, text=''):
        """Runs a program in the container, as an engine does for its `exec` and its health check."""
        image = self.image
        enter = ['--target', self.pid, '--pid', '--mount', f'--root={image.root}', f'--wd={image.root}{image.folder}']
        enter += ['--setuid', image.user, '--setgid', image.group]
        return run(shutil.which('nsenter'), *enter, *words, env=self.variables, input=text)

    def others(self):
        """The processes of the container beside the first."""
        own = os.readlink(f'/proc/{self.pid}/ns/pid')
        found = []
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                if os.readlink(f'/proc/{pid}/ns/pid') == own and pid != self.pid:
                    found.append(pid)
            except OSError:
                pass  # it has ended, or is none of ours
        return found

    def stop(self):
        start = time.monotonic()
        os.kill(int(self.pid), signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        expect(code == 0, f'it ended with {code}: {self.said()}')
        expect(time.monotonic() - start < 10, 'an engine would have killed it')
        expect(self.said().endswith('stopping; requests in flight may finish\n'), self.said())

    def call(self, token, tool, arguments):
        body = {'jsonrpc': '2.0', 'id': 1, 'method': 'tools/call', 'params': {'name': tool, 'arguments': arguments}}
        headers = {'Authorization': f'Bearer {token}', 'Content-Type': 'application/json'}
        connection = http.client.HTTPConnection(self.variables['EPICME_LISTEN'], timeout=PATIENCE)
        connection.request('POST', '/mcp', json.dumps(body), headers)
        answer = json.loads(connection.getresponse().read())
        expect('result' in answer and not answer['result'].get('isError'), answer)


def done(result):
    code, output, said = result
    expect(code == 0, said)
    return output


def serves_as_the_first_process_of_an_empty_root(image):
    container = image.start()
    expect('/setup?code=' in container.output, container.output + container.said())
    with open(f'/proc/{container.pid}/status') as file:
        status = dict(line.rstrip('\n').split(':\t', 1) for line in file)
    expect(status['NSpid'].split()[-1] == '1', status)
    expect(status['Uid'].split()[0] == image.user, status)
    for _ in range(5):
        expect(container.run(*image.health) == (0, 'ok\n', ''), 'it is not well')
    epicme = image.program
    done(container.run(*epicme, 'user', 'add', EMAIL, '--password-stdin', text=PASSWORD))
    # The rules of time zones are in the program.
    done(container.run(*epicme, 'user', 'zone', EMAIL, 'Europe/Berlin'))
    token = done(container.run(*epicme, 'token', 'create', EMAIL)).strip()
    container.call(token, 'create_entry', {'title': 'From an image', 'content': 'Nothing is here.'})
    exported = done(container.run(*epicme, 'export', '--output', '-'))
    expect(json.loads(exported)['entries'][0]['title'] == 'From an image', exported)
    done(container.run(*epicme, 'backup', '/data/backup.db'))
    done(container.run(*epicme, 'check', '/data/backup.db'))
    expect(container.others() == [], 'processes are left')
    container.stop()
    expect(sorted(os.listdir(image.root)) == ['data', 'epicme', 'licenses'], os.listdir(image.root))
    expect(sorted(os.listdir(f'{image.root}/data')) == ['backup.db', 'epicme.db'], os.listdir(f'{image.root}/data'))


def keeps_the_journal_in_its_volume(image):
    container = image.start()
    expect('/setup' not in container.output, container.output)
    expect('1 entry' in done(container.run(*image.program, 'status')), 'the entry is gone')
    container.stop()


def listens_to_a_proxy_with_an_https_url_alone(image):
    every = f'0.0.0.0:{free_port()}'
    refused = image.start(EPICME_LISTEN=every)
    expect(refused.process.wait(PATIENCE) == 2, 'it serves in the clear')
    expect('--public-url https://HOST' in refused.said(), refused.said())
    container = image.start(EPICME_LISTEN=every, EPICME_PUBLIC_URL='https://journal.example')
    expect('MCP URL https://journal.example/mcp' in container.output, container.output + container.said())
    expect(container.run(*image.health) == (0, 'ok\n', ''), 'the health check goes by EPICME_LISTEN')
    container.stop()


def check_image(release, scratch):
    code, _, said = run('unshare', '--fork', '--pid', '--mount', 'true')
    if os.geteuid() != 0 or code != 0:
        print(f'  not tried: the image, which needs root and namespaces: {said.strip()}', flush=True)
        return
    image = Image(release, f'{scratch}/root')
    try:
        check('it serves as process 1 of an empty root', serves_as_the_first_process_of_an_empty_root, image)
        check('it keeps the journal in its volume', keeps_the_journal_in_its_volume, image)
        check('it listens to a proxy with an https URL alone', listens_to_a_proxy_with_an_https_url_alone, image)
    finally:
        image.end()


def main(scratch):
    release = unpacked(scratch)
    print('The unit and the image of the release', flush=True)
    check_unit(release)
    check_image(release, scratch)
    return finish()


with tempfile.TemporaryDirectory(prefix='epicme-packaging-') as folder:
    os.chmod(folder, 0o755)  # the user of the image goes through it
    code = main(folder)
sys.exit(code)
