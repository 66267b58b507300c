"""private_servers - servers and programs of a test's own, which end with the test.

    with Stack(directory) as stack, Sandbox(directory, latency_ms=5) as sandbox:
      worker = Program("postrider-worker", env=stack.env(), log=f"{directory}/worker.log").start()
      stack.psql("select campaign_id, actual_status from marketing.campaign")  # a list of tuples of str or None
      worker.kill()

Whatever is started here is stopped when its block ends, when the interpreter ends, on Ctrl-C and on SIGTERM. When this
process itself is killed with SIGKILL, the kernel kills its programs (PR_SET_PDEATHSIG) and a small guard process stops
its stacks. The kernel counts the thread that started a program as its parent: start programs in a thread that lives as
long as they should.

Only the standard library, and no server's own client library: psql, rabbitmqctl and HTTP.
"""
import atexit
import ctypes
import http.client
import json
import os
import random
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STACK = str(ROOT / "deploy" / "stack")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)
_open = []  # what has to be closed at the end, in the order of starting


def binary(name):
  """Where a program of ours is: $POSTRIDER_BIN, or the release build."""
  path = Path(os.environ.get("POSTRIDER_BIN") or ROOT / "build" / "release" / "bin") / name
  if not path.exists():
    raise FileNotFoundError(f"{path} is not built: cmake --preset release && cmake --build --preset release")
  return str(path)


def _psql_client():
  """The client itself: the one in PATH is Debian's wrapper, which takes 30 ms to find it."""
  paths = sorted(Path("/usr/lib/postgresql").glob("*/bin/psql"))
  return str(paths[0]) if paths else "psql"


def free_ports(count):
  """Ports of 127.0.0.1 below those the kernel gives to outgoing connections, so that no client can sit on one."""
  sockets = []
  try:
    for _ in range(1000):
      if len(sockets) == count:
        break
      candidate = socket.socket()
      sockets.append(candidate)
      try:
        candidate.bind(("127.0.0.1", random.randrange(10000, 32768)))
      except OSError:
        sockets.pop().close()
    if len(sockets) < count:
      raise OSError(f"{count} free ports could not be found")
    return [s.getsockname()[1] for s in sockets]
  finally:
    for s in sockets:
      s.close()


def wait_until(condition, timeout_s=30, what="the condition", every_s=0.05):
  """Polls until condition() is true and returns what it returned; otherwise TimeoutError names what was awaited."""
  deadline = time.monotonic() + timeout_s
  while True:
    result = condition()
    if result:
      return result
    if time.monotonic() >= deadline:
      raise TimeoutError(f"waited {timeout_s} s for {what}")
    time.sleep(every_s)


def close_all():
  """Closes everything that is open, the youngest first."""
  while _open:
    try:
      _open[-1].close()
    except Exception as error:  # the others must be closed all the same
      print(f"private_servers: {error}", file=sys.stderr)
      _open.pop()


def _remember(thing):
  if not _remember.installed:
    _remember.installed = True
    atexit.register(close_all)
    if threading.current_thread() is threading.main_thread():
      for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
          signal.signal(number, lambda received, frame: sys.exit(128 + received))
  if thing not in _open:
    _open.append(thing)


_remember.installed = False


def _forget(thing):
  if thing in _open:
    _open.remove(thing)


def _stat(pid, task=None):
  """The fields of /proc/PID/stat behind the command's name, state first; None when the process is gone."""
  try:
    text = Path(f"/proc/{pid}/task/{task}/stat" if task else f"/proc/{pid}/stat").read_text()
  except (FileNotFoundError, ProcessLookupError):
    return None
  return text[text.rindex(")") + 2:].split()


def _children(pid):
  try:
    lists = [(task / "children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return [int(child) for text in lists for child in text.split()]
  except (FileNotFoundError, ProcessLookupError):
    return []


def _peak_kb(pid):
  try:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
      if line.startswith("VmHWM:"):
        return int(line.split()[1])
  except (FileNotFoundError, ProcessLookupError):
    pass
  return 0


class _Block:
  def __enter__(self):
    return self.start()

  def __exit__(self, *_):
    self.close()


class Stack(_Block):
  """A private PostgreSQL and RabbitMQ in a folder, by deploy/stack. Ports and data stay through kills and restarts.

  broker=False: PostgreSQL alone, for tests of the database; amqp_url is then missing.
  """

  def __init__(self, directory, durable=True, migrate=True, broker=True):
    self.directory = str(Path(directory).absolute())
    self.durable = durable
    self.migrate = migrate
    self.broker = broker
    self._guard = None
    self._env = None

  def start(self):
    _remember(self)
    self._start_guard()
    options = ["--durable" if self.durable else "--fast"] + ([] if self.migrate else ["--no-migrate"])
    options += [] if self.broker else ["--no-broker"]
    self._call("start", *options)
    lines = self._call("env").splitlines()
    self._env = dict(shlex.split(line)[1].split("=", 1) for line in lines)
    return self

  def stop(self):
    """Stops both; the data stays, and start() goes on with it, perhaps on other ports."""
    self._call("stop")
    self._end_guard()
    _forget(self)

  close = stop

  def leave_running(self):
    """From now on nothing stops the stack but deploy/stack stop."""
    self._end_guard()
    _forget(self)

  def env(self):
    """POSTRIDER_DATABASE_URL, POSTRIDER_AMQP_URL and POSTRIDER_STACK_DIR."""
    return dict(self._env)

  @property
  def database_url(self):
    return self._env["POSTRIDER_DATABASE_URL"]

  @property
  def amqp_url(self):
    return self._env["POSTRIDER_AMQP_URL"]

  def psql(self, sql, role=None):
    """Runs SQL and returns the rows of the one statement that has any. Values are text, null is None."""
    # No text of the database can contain the separators, whatever the test data is.
    mark = secrets.token_hex(8)
    field, record, null = f"\x1f{mark}\x1f", f"\x1e{mark}\x1e", f"\x1d{mark}\x1d"
    options = {"PGOPTIONS": f"-c role={role}"} if role else {}
    done = subprocess.run(
      [_psql_client(), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-F", field, "-R", record, "-P", f"null={null}",
       "-d", self.database_url, "-f", "-"],
      input=sql, capture_output=True, text=True, env={**os.environ, **options}, encoding="utf-8")
    if done.returncode != 0:
      raise RuntimeError(f"psql: {done.stderr.strip()}")
    if not done.stdout:
      return []
    rows = done.stdout[:-1].split(record)
    return [tuple(None if value == null else value for value in row.split(field)) for row in rows]

  def value(self, sql, role=None):
    """The one value that the statement returns."""
    rows = self.psql(sql, role)
    if len(rows) != 1 or len(rows[0]) != 1:
      raise RuntimeError(f"one value was expected, not {len(rows)} rows: {sql}")
    return rows[0][0]

  def rabbitmqctl(self, *arguments):
    """The tool's output. Each call takes half a second."""
    return self._call("rabbitmqctl", *arguments)

  def kill_postgres(self):
    self._call("kill-postgres")

  def start_postgres(self):
    self._call("start-postgres")

  def restart_postgres(self):
    self._call("restart-postgres")

  def kill_rabbitmq(self):
    self._call("kill-rabbitmq")

  def start_rabbitmq(self):
    self._call("start-rabbitmq")

  def restart_rabbitmq(self):
    self._call("restart-rabbitmq")

  def cpu_seconds(self):
    """What each server has used since it started, ended sessions included: {"postgres": 1.5, "rabbitmq": 2.5}."""
    return {name: self._server_ticks(pid) / TICKS_PER_SECOND for name, pid in self._pids().items()}

  def peak_memory_kb(self):
    """The largest resident size of each server's main process."""
    return {name: _peak_kb(pid) for name, pid in self._pids().items()}

  def _pids(self):
    pids = {}
    for name, path in (("postgres", "postgres/data/postmaster.pid"), ("rabbitmq", "rabbitmq/pid")):
      try:
        pids[name] = int(Path(self.directory, path).read_text().split()[0])
      except FileNotFoundError:
        pass
    return pids

  @staticmethod
  def _server_ticks(pid):
    fields = _stat(pid)
    if fields is None:
      return 0
    ticks = sum(int(field) for field in fields[11:15])  # own user and system, reaped children's user and system
    for child in _children(pid):
      fields = _stat(child)
      ticks += sum(int(field) for field in fields[11:13]) if fields else 0
    return ticks

  def _call(self, verb, *arguments):
    done = subprocess.run([STACK, verb, self.directory, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True)
    if done.returncode != 0:
      raise RuntimeError(f"deploy/stack {verb}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout

  def _start_guard(self):
    if self._guard:
      return
    # It sees the end of the pipe when this process is gone, however it went.
    script = 'read -r word; if [ "$word" != done ]; then exec "$0" stop "$1"; fi'
    self._guard = subprocess.Popen(["/bin/bash", "-c", script, STACK, self.directory], stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

  def _end_guard(self):
    if self._guard:
      self._guard.communicate(b"done\n")
      self._guard = None


class Program(_Block):
  """One of our programs, or any other. It may be started again after it ended; times and peaks then add up.

  may_outlive: it gets a session of its own, so that Ctrl-C does not reach it, and leave_running() is allowed.
  """

  def __init__(self, name, arguments=(), env=None, log=None, path=None, may_outlive=False):
    self.name = name
    self.arguments = list(arguments)
    self.env = dict(env or {})
    self.log = str(log) if log else os.devnull
    self.path = path or binary(name)
    self.may_outlive = may_outlive
    self.pid = None
    self.exit_code = None  # of the last time it ran; negative: the signal that ended it
    self._process = None
    self._cpu_before = 0.0
    self._peak_before_kb = 0

  def start(self):
    if self.running():
      raise RuntimeError(f"{self.name} runs already")
    parent = os.getpid()

    def die_with_parent():
      _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
      if os.getppid() != parent:  # it died before the kernel was told
        os._exit(1)

    _remember(self)
    with open(self.log, "ab") as log:
      self._process = subprocess.Popen([self.path, *self.arguments], env={**os.environ, **self.env},
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT,
                                       start_new_session=self.may_outlive,
                                       preexec_fn=None if self.may_outlive else die_with_parent)
    self.pid = self._process.pid
    self.exit_code = None
    return self

  def running(self):
    self._reap(os.WNOHANG)
    return self._process is not None

  def send(self, number):
    """Sends a signal. A process that has ended is not an error: it may end at any moment."""
    if self.running():
      self._sample_memory()
      os.kill(self.pid, number)

  def kill(self):
    """SIGKILL, and gone when this returns."""
    self.send(signal.SIGKILL)
    self._reap(0)

  def term(self):
    """SIGTERM: the program drains; wait() tells when it is done."""
    self.send(signal.SIGTERM)

  def freeze(self):
    """SIGSTOP: alive, but doing nothing until thaw()."""
    self.send(signal.SIGSTOP)

  def thaw(self):
    self.send(signal.SIGCONT)

  def wait(self, timeout_s=60):
    """Waits for the end and returns the exit code."""
    wait_until(lambda: not self.running(), timeout_s, f"{self.name} to end", 0.01)
    return self.exit_code

  def leave_running(self):
    """From now on nothing here stops it."""
    _forget(self)

  def close(self):
    """Ends it, whatever state it is in, without waiting for a drain."""
    self.kill()
    _forget(self)

  def cpu_seconds(self):
    """User and system time of all its threads, over all times it ran."""
    fields = _stat(self.pid) if self.running() else None
    return self._cpu_before + (sum(int(field) for field in fields[11:13]) / TICKS_PER_SECOND if fields else 0)

  def thread_cpu_seconds(self):
    """The same by thread name, for those alive now."""
    seconds = {}
    for task in Path(f"/proc/{self.pid}/task").iterdir() if self.running() else ():
      fields = _stat(self.pid, task.name)
      if fields:
        name = (task / "comm").read_text().strip()
        seconds[name] = seconds.get(name, 0) + sum(int(field) for field in fields[11:13]) / TICKS_PER_SECOND
    return seconds

  def peak_memory_kb(self):
    """The largest resident size, as of the last time anybody looked: ask before the program ends by itself."""
    if self.running():
      self._sample_memory()
    return self._peak_before_kb

  def _sample_memory(self):
    self._peak_before_kb = max(self._peak_before_kb, _peak_kb(self.pid))

  def _reap(self, options):
    if self._process is None:
      return
    pid, status, usage = os.wait4(self.pid, options)
    if pid == 0:
      return
    self.exit_code = self._process.returncode = os.waitstatus_to_exitcode(status)
    self._cpu_before += usage.ru_utime + usage.ru_stime
    self._process = None


class Sandbox(Program):
  """postrider-sandbox: vendors that accept, keep a ledger, call back and misbehave on command, on http_port, https_port
  and smtp_port.

  The ledgers begin empty. When the sandbox is killed and started again, ports, ledgers, customers and certificates stay,
  as a provider's would.
  """

  def __init__(self, directory, latency_ms=0, webhook_secret=None, arguments=(), env=None, may_outlive=False):
    directory = Path(directory).absolute()
    self.port_file = directory / "sandbox.ports"
    self.ledger_file = directory / "sandbox.ledger"
    self.callbacks_file = directory / "sandbox.callbacks"
    self.accounts_file = directory / "sandbox.accounts"
    self.ca_file = directory / "sandbox.ca"
    for path in (self.ledger_file, self.callbacks_file, self.accounts_file):
      path.unlink(missing_ok=True)
    self.http_port, self.smtp_port, self.https_port = free_ports(3)
    arguments = ["--http-port", str(self.http_port), "--smtp-port", str(self.smtp_port),
                 "--https-port", str(self.https_port), "--ca-file", str(self.ca_file),
                 "--port-file", str(self.port_file), "--ledger", str(self.ledger_file),
                 "--callbacks", str(self.callbacks_file), "--accounts", str(self.accounts_file), *arguments]
    if latency_ms:
      arguments += ["--latency-ms", str(latency_ms)]
    if webhook_secret:
      arguments += ["--webhook-secret", webhook_secret]
    super().__init__("postrider-sandbox", arguments, env, directory / "sandbox.log", may_outlive=may_outlive)

  @property
  def url(self):
    return f"http://127.0.0.1:{self.http_port}"

  @property
  def https_url(self):
    return f"https://localhost:{self.https_port}"

  def start(self):
    self.port_file.unlink(missing_ok=True)
    super().start()
    wait_until(self._listens, 20, "the sandbox to listen")
    return self

  def faults(self):
    return self.control("GET", "/_sandbox/faults")

  def add_fault(self, **fault):
    return self.control("POST", "/_sandbox/faults", fault)

  def clear_faults(self):
    return self.control("DELETE", "/_sandbox/faults")

  def latency(self, ms):
    return self.control("POST", "/_sandbox/latency", {"ms": ms})

  def counts(self):
    """accepted, effects, repeats, distinct, requests, connections."""
    return self.control("GET", "/_sandbox/ledger")

  def sync(self):
    """Returns the counts when all that was accepted stands in the ledger file."""
    return self.control("POST", "/_sandbox/sync")

  def ledger(self):
    """What was accepted, one dict a line: at_ms, protocol, vendor, keyed, key, delivery, recipient, message, repeat."""
    if self.running():
      self.sync()
    return self._lines(self.ledger_file)

  def accounts(self):
    """{vendor: its customer's settings}, private keys included."""
    return self.control("GET", "/_sandbox/accounts")

  def set_account(self, vendor, **settings):
    return self.control("POST", "/_sandbox/accounts", {"vendor": vendor, **settings})

  def set_rate(self, vendor, per_second):
    self.control("POST", "/_sandbox/rates", {"vendor": vendor, "per_second": per_second})

  def set_certificate(self, mode):
    """good, other_ca, wrong_host or expired."""
    self.control("POST", "/_sandbox/certificate", {"mode": mode})

  def subscriptions(self, count=1, first=1, **more):
    """Browsers that allowed web pushes, as their PushSubscription.toJSON() would be."""
    made = []
    for start in range(first, first + count, 2000):
      made += self.control("POST", "/_sandbox/subscriptions",
                           {"first": start, "count": min(2000, first + count - start), **more})
    return made

  def order_callbacks(self, account, vendor, url, **order):
    """Tells the receiver at url what becomes of that vendor's messages; see the sandbox's README.md."""
    return self._callbacks(self.control("POST", "/_sandbox/callbacks",
                                        {"account": account, "vendor": vendor, "url": url, **order}))[account]

  def reply(self, account, sender, to, text):
    """A person writes back to an SMS."""
    self.control("POST", "/_sandbox/replies", {"account": account, "from": sender, "to": to, "text": text})

  def callbacks(self):
    """{account: counts}: planned and told by event, waiting, requests, accepted, refused, forged_accepted ..."""
    return self._callbacks(self.control("GET", "/_sandbox/callbacks"))

  def clear_callbacks(self):
    self.control("DELETE", "/_sandbox/callbacks")

  def told(self):
    """Every request to a receiver, one dict: account, vendor, status, try, forged, events."""
    return self._lines(self.callbacks_file)

  @staticmethod
  def _callbacks(answer):
    return {account["account"]: account for account in answer["accounts"]}

  @staticmethod
  def _lines(path):
    if not path.exists():
      return
    with open(path, encoding="utf-8") as lines:
      for line in lines:
        if line.endswith("\n"):  # the last one may be torn by a SIGKILL
          yield json.loads(line)

  def control(self, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=30)
    try:
      connection.request(method, path, None if body is None else json.dumps(body),
                         {"Content-Type": "application/json"})
      answer = connection.getresponse()
      text = answer.read().decode()
    finally:
      connection.close()
    if answer.status != 200:
      raise RuntimeError(f"sandbox: {method} {path}: {answer.status} {text}")
    return json.loads(text)

  def _listens(self):
    if not self.running():
      raise RuntimeError(f"the sandbox ended with {self.exit_code}: see {self.log}")
    return self.port_file.exists()
