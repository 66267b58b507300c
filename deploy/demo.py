"""The program behind deploy/demo. Only the standard library."""
import argparse
import base64
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
sys.dont_write_bytecode = True
import oracle  # noqa: E402
from engine import CALLBACK_SECRET, vendor_settings  # noqa: E402
from private_servers import STACK, Program, Sandbox, Stack, binary, free_ports, wait_until  # noqa: E402

DIRECTORY = ROOT / ".run" / "demo"
LEFT = DIRECTORY / "left_running"  # what --keep left: a line "pid start-time name" a program
PROGRAMS = ("postrider-scheduler", "postrider-worker", "postrider-receiver", "postrider-sandbox")
CHANNELS = {"email": "email", "sms": "SMS", "push": "push", "web_push": "browser", "in_app": "in-app"}
VENDORS = {"mandrill": "email", "sendgrid": "email", "twilio": "sms", "fcm": "push", "apns": "push", "webpush": "web_push",
           "smtp": "email", "webhook": "in_app"}
BROWSERS_MAX = 2000  # each has keys of its own, which take the sandbox time
PUBLIC_URL = "https://callbacks.example.com"
LINK_URL = "https://club.example.com"
READERS = 40  # members whose app is opened
# What becomes of messages: most arrive, some bounce, some are opened; and their callbacks come early, twice, in the wrong order or forged.
FATE = [{"event": "delivered", "share": 0.95, "delay_ms": [0, 500]}, {"event": "bounced", "share": 0.02, "delay_ms": [0, 500]},
        {"event": "bounced_soft", "share": 0.02, "delay_ms": [0, 500]}]
LATER = [{"event": "opened", "share": 0.3, "delay_ms": [0, 500]}, {"event": "clicked", "share": 0.05, "delay_ms": [0, 500]},
         {"event": "unsubscribed", "share": 0.01, "delay_ms": [0, 500]}, {"event": "complained", "share": 0.002, "delay_ms": [0, 500]}]
HEARD = ("opened", "clicked", "unsubscribed", "complained")
TROUBLE = {"early": 0.01, "twice": 0.02, "forged": 0.01, "out_of_order": True}
SILENCE_S = 60  # nothing moves for so long: something is wrong
PAINTABLE = "█" if "utf" in (sys.stdout.encoding or "").lower() else "#"


class Failure(Exception):
  """Ends the demo with a sentence."""


class Screen:
  """What people see: steps that are done, and one line that is redrawn where that is possible."""

  def __init__(self, out):
    self.out = out
    self.redraws = out.isatty() and os.environ.get("TERM") != "dumb"
    self.drawn = False
    self.spoke_at = 0.0

  def say(self, text=""):
    self._erase()
    print(text, file=self.out, flush=True)

  def progress(self, text):
    if self.redraws:
      self.out.write(f"\r{text[:shutil.get_terminal_size().columns - 1]}\x1b[K")
      self.out.flush()
      self.drawn = True
    elif time.monotonic() - self.spoke_at >= 2:
      self.spoke_at = time.monotonic()
      print(text, file=self.out, flush=True)

  def _erase(self):
    if self.drawn:
      self.out.write("\r\x1b[K")
      self.drawn = False


def bar(share, width=28):
  full = int(share * width)
  return PAINTABLE * full + ("░" if PAINTABLE == "█" else ".") * (width - full)


def duration(seconds):
  seconds = int(seconds + 0.5)
  if seconds < 60:
    return f"{seconds} s"
  return f"{seconds // 60} min {seconds % 60} s" if seconds < 3600 else f"{seconds // 3600} h {seconds % 3600 // 60} min"


def runnable(name):
  """How to call a script of this folder from where the person is."""
  return f"deploy/{name}" if Path.cwd() == ROOT else str(ROOT / "deploy" / name)


# --- Build ---

def build(screen):
  if os.environ.get("POSTRIDER_BIN"):
    return
  folder = ROOT / "build" / "release"
  cache = folder / "CMakeCache.txt"
  home = f"CMAKE_HOME_DIRECTORY:INTERNAL={ROOT}\n"
  if cache.exists() and home not in cache.read_text():  # a copied checkout
    shutil.rmtree(folder)
  if not (folder / "build.ninja").exists():
    screen.progress("building: configure")
    run_quietly(["cmake", "--preset", "release"], screen)
  run_quietly(["cmake", "--build", "--preset", "release", "--parallel", str(os.cpu_count() or 1), "--target", *PROGRAMS],
              screen)


def run_quietly(command, screen):
  """Shows ninja's count; the whole output only when it fails. Its processes end with us."""
  started_at = time.monotonic()
  lines = []
  with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                        text=True, errors="replace", start_new_session=True) as process:
    try:
      for line in process.stdout:
        lines.append(line)
        count = re.match(r"\[(\d+)/(\d+)\]", line)
        if count and time.monotonic() - started_at > 1:
          done, total = int(count[1]), int(count[2])
          screen.progress(f"building   {bar(done / total)} {done} of {total}")
    except BaseException:
      os.killpg(process.pid, signal.SIGKILL)
      raise
  if process.returncode != 0:
    screen.say("".join(lines[-60:]))
    raise Failure(f"{' '.join(command[:2])} failed")


# --- What --keep leaves, and its end ---

def start_time(pid):
  """Tells a process from another one that got the same number later; None when there is none, or a zombie."""
  try:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
  except OSError:
    return None
  return None if fields[0] == "Z" else fields[19]


def stop_left():
  """Ends what an earlier run left behind. True when there was something."""
  if not LEFT.exists():
    return False
  programs = [line.split() for line in LEFT.read_text().splitlines()]
  ours = [(int(pid), since) for pid, since, _ in programs if start_time(pid) == since]

  def alive():
    return [(pid, since) for pid, since in ours if start_time(pid) == since]

  for number, patience_s in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
    for pid, _ in alive():
      os.kill(pid, number)
    deadline = time.monotonic() + patience_s
    while alive() and time.monotonic() < deadline:
      time.sleep(0.05)
  subprocess.run([STACK, "stop", str(DIRECTORY)], check=True)
  LEFT.unlink()
  return True


# --- The run ---

class Demo:
  def __init__(self, options, screen):
    self.options = options
    self.screen = screen
    self.stack = Stack(DIRECTORY, migrate=False)
    self.sandbox = None
    self.programs = []
    self.urls = {}
    self.callback_port = free_ports(1)[0]
    self.link_key = base64.b64encode(os.urandom(32)).decode()
    self.campaigns = self.expected = 0  # how many, and how many deliveries they make

  def run(self):
    build(self.screen)
    self.start_servers()
    self.fill()
    self.start_programs()
    self.send()
    self.hear()
    self.open_apps()
    return self.account_for()

  def start_servers(self):
    # Messages of an earlier run would speak of a database that is no more.
    shutil.rmtree(DIRECTORY / "rabbitmq" / "data", ignore_errors=True)
    self.screen.progress("starting PostgreSQL and RabbitMQ")
    self.stack.start()
    for statement in ("drop database if exists postrider with (force)", "create database postrider"):
      self.call([STACK, "psql", str(DIRECTORY), "-d", "postgres", "-q", "-c", statement])
    self.call([binary("postrider-scheduler"), "migrate"], self.stack.env())
    status = self.call([STACK, "status", str(DIRECTORY)])
    ports = re.findall(r"127\.0\.0\.1:(\d+)", status)
    self.screen.say(f"PostgreSQL and RabbitMQ run on ports {ports[0]} and {ports[1]} of 127.0.0.1, in {DIRECTORY}")

  def fill(self):
    secret = DIRECTORY / "webhook.secret"
    key = "whsec_" + base64.b64encode(os.urandom(24)).decode()
    secret.touch(mode=0o600)
    secret.write_text(key)
    self.sandbox = Sandbox(DIRECTORY, webhook_secret=key, may_outlive=self.options.keep).start()
    self.programs.append(self.sandbox)
    self.screen.progress(f"filling a loyalty programme of {self.options.contacts:,} members")
    vendors = json.dumps(self.vendors(key)).replace("\\", "\\\\").replace("'", "''")
    variables = {"contacts": self.options.contacts, "smtp_port": self.sandbox.smtp_port,
                 "http_port": self.sandbox.http_port, "secret_file": f"'{secret}'", "vendors": f"'{vendors}'"}
    self.stack.psql("".join(f"\\set {name} {value}\n" for name, value in variables.items())
                    + (ROOT / "deploy" / "demo.sql").read_text(encoding="utf-8"))
    self.add_browsers()
    self.expected = self.count_audience()
    addresses, refusals = self.stack.psql("""
      select (select count(*) from marketing.contact_point), (select count(*) from marketing.consent where not is_granted)
        + (select count(*) from marketing.suppression)""")[0]
    self.screen.say(f"{self.options.contacts:,} members with {int(addresses):,} addresses; "
                    f"{int(refusals):,} times somebody said no")

  def vendors(self, webhook_secret):
    """An account at each, and what they are to tell the receiver."""
    made = []
    for vendor in ("mandrill", "sendgrid", "twilio", "fcm", "apns", "webpush"):
      channel, settings = vendor_settings(self.sandbox, vendor, DIRECTORY)
      made.append({"name": vendor, "driver": vendor, "channel": channel, "settings": settings})
    secrets = {"mandrill": CALLBACK_SECRET, "sendgrid": "", "twilio": self.sandbox.accounts()["twilio"]["token"]}
    for account, secret in (*secrets.items(), ("app", webhook_secret)):
      order = self.sandbox.order_callbacks(
        account, "webhook" if account == "app" else account, f"http://127.0.0.1:{self.callback_port}/callbacks/{account}",
        public_url=f"{PUBLIC_URL}/callbacks/{account}", secret=secret, plan=FATE + ([] if account == "twilio" else LATER), **TROUBLE)
      if account == "sendgrid":
        made[1]["settings"]["webhook_public_key"] = order["public_key"]
    return made

  def add_browsers(self):
    """Every tenth has allowed web pushes."""
    count = min(self.options.contacts // 10, BROWSERS_MAX)
    if not count:
      return
    addresses = json.dumps([json.dumps(one) for one in self.sandbox.subscriptions(count)]).replace("'", "''")
    self.stack.psql(f"""insert into marketing.contact_point (contact_id, channel, address)
      select 10 * n, 'web_push', address from jsonb_array_elements_text('{addresses}') with ordinality as a (address, n)""")

  def count_audience(self):
    self.campaigns = int(self.stack.value("select count(*) from marketing.campaign"))
    segments = self.stack.psql("""select condition, count(*) from marketing.step join marketing.campaign using (campaign_id)
      join marketing.segment using (segment_id) group by condition""")
    return sum(int(steps) * int(self.stack.value(f"select count(*) from marketing.segment_contact where {condition}"))
               for condition, steps in segments)

  def start_programs(self):
    self.start_program("postrider-scheduler", "scheduler", "postrider_scheduler")
    for number in range(1, self.options.workers + 1):
      self.start_program("postrider-worker", f"worker-{number}", "postrider_worker")
    self.start_program("postrider-receiver", "receiver", "postrider_receiver")
    self.screen.say(f"1 scheduler, {self.options.workers} worker{'s' * (self.options.workers > 1)}, 1 receiver and the "
                    "sandbox run, each with its own rights in the database")

  def start_program(self, name, title, role):
    """Each logs in with its own rights."""
    port = free_ports(1)[0]
    env = {"POSTRIDER_DATABASE_URL": f"{self.stack.database_url}?options=-c%20role%3D{role}",
           "POSTRIDER_AMQP_URL": self.stack.amqp_url, "POSTRIDER_LISTEN": f"127.0.0.1:{port}",
           "POSTRIDER_PUBLIC_URL": PUBLIC_URL, "POSTRIDER_CALLBACK_LISTEN": f"127.0.0.1:{self.callback_port}",
           "POSTRIDER_LINK_URL": LINK_URL, "POSTRIDER_LINK_KEY": self.link_key}
    log = DIRECTORY / f"{title}.log"
    log.unlink(missing_ok=True)
    self.programs.append(Program(name, (), env, log, may_outlive=self.options.keep).start())
    self.urls[title] = f"http://127.0.0.1:{port}/metrics"

  def send(self):
    self.stack.psql("update marketing.campaign set desired_status = 'running'",
                    role="postrider_marketer")
    history = [(time.monotonic(), 0)]
    moved_at = time.monotonic()
    while True:
      self.check_programs()
      audience, settled, is_open, is_planned, uncertain = self.look()
      now = time.monotonic()
      if settled != history[-1][1]:
        moved_at = now
      if is_planned and (not is_open or settled == audience and uncertain):
        break
      if now - moved_at > SILENCE_S:
        raise Failure(f"nothing has moved for {SILENCE_S} s:\n{self.status()}")
      history = [point for point in history if now - point[0] < 5] + [(now, settled)]
      self.show(audience if is_planned else self.expected, settled, history)
      time.sleep(0.2)

  def hear(self):
    """Waits until the vendors have told all and the receiver has made it known to the deliveries."""
    def heard():
      waiting = sum(account["waiting"] for account in self.sandbox.callbacks().values())
      waiting += int(self.stack.value("select count(*) from delivery.callback_todo"))
      self.screen.progress(f"hearing    {waiting:,} callbacks to come")
      self.check_programs()
      return waiting == 0
    wait_until(heard, 10 * SILENCE_S, "the vendors' callbacks", 0.2)
    accounts = self.sandbox.callbacks().values()
    counts = {name: sum(account[name] for account in accounts) for name in ("accepted", "twice", "early", "forged", "forged_accepted")}
    events = sum(sum(account["told"].values()) for account in accounts)
    self.screen.say(f"The vendors told of {events:,} events in {counts['accepted']:,} callbacks, {counts['early']:,} before they had answered and "
                    f"{counts['twice']:,} twice; {counts['forged'] - counts['forged_accepted']:,} of {counts['forged']:,} forged ones were refused")
    if counts["forged_accepted"]:
      raise Failure(f"{counts['forged_accepted']} forged callbacks were believed")

  def open_apps(self):
    """Some members read what is in our own inbox. Their app has its token from the club's server, which asks the receiver's program."""
    contacts = self.stack.psql(f"select distinct contact_id from delivery.inbox_message order by 1 limit {READERS}")
    read = 0
    for contact, in contacts:
      token = self.call([binary("postrider-receiver"), "token", contact, "60"],
                        {"POSTRIDER_LINK_URL": LINK_URL, "POSTRIDER_LINK_KEY": self.link_key}).strip()
      feed = self.ask_inbox("feed", token)
      read += self.ask_inbox("read", token, {"ids": [message["id"] for message in feed["messages"]]})["read"]
    self.screen.say(f"{len(contacts)} members opened their app and read {read} messages in our own inbox")

  def ask_inbox(self, what, token, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{self.callback_port}/inbox/{what}", headers={"Authorization": f"Bearer {token}"},
                                     data=json.dumps(body).encode() if body else None)
    with urllib.request.urlopen(request, timeout=30) as answer:
      return json.load(answer)

  def look(self):
    rows = self.stack.psql(f"""
      select sum(p.audience), sum(p.settled), bool_or(p.ended_at is null), bool_and(not p.is_still_planning)
        and count(*) = {self.campaigns}, sum(l.uncertain)
      from report.run_progress p, lateral (
        select sum(uncertain) as uncertain from report.run_ledger r where r.campaign_run_id = p.campaign_run_id) l""",
                           role="postrider_analyst")
    audience, settled, is_open, is_planned, uncertain = rows[0]
    return int(audience or 0), int(settled or 0), is_open != "f", is_planned == "t", int(uncertain or 0)

  def show(self, audience, settled, history):
    share = settled / audience if audience else 0
    rate = (settled - history[0][1]) / max(history[-1][0] - history[0][0], 0.001)
    left = duration((audience - settled) / rate) + " left" if rate > 1 else "starting"
    self.screen.progress(f"sending    {bar(share)} {share:4.0%}  {settled:,} of {audience:,}  {rate:,.0f}/s  {left}")

  def check_programs(self):
    for program in self.programs:
      if not program.running():
        lines = Path(program.log).read_text(errors="replace").splitlines()[-10:]
        raise Failure(f"{program.name} ended with exit code {program.exit_code}:\n" + "\n".join(lines))

  # --- The two ledgers ---

  def account_for(self):
    self.screen.progress("comparing the two ledgers")
    report = oracle.reconcile(self.stack, [self.sandbox], queue_patience_s=None)
    problems = report.problems(audience=self.expected)
    self.screen.say("\n" + self.table(report) + "\n")
    for problem in problems:
      self.screen.say(f"WRONG: {problem}")
    if not problems:
      self.screen.say("The database and the sandbox agree, message by message.")
    return report, not problems

  def table(self, report):
    effects = self.effects()
    reasons = self.stack.psql("""
      select channel, status, reason, sentence, deliveries from report.failures_by_reason order by status, reason""",
                              role="postrider_analyst")
    rows = [("audience", lambda channel: sum(report.channels.get(channel, {}).values()))]
    shown = ("sent", "delivered", "bounced", "failed", "skipped")
    for status in shown:
      rows.append((status, lambda channel, status=status: report.channels.get(channel, {}).get(status, 0)))
      for sentence in sorted({row[3] for row in reasons if row[1] == status}):
        rows.append((f"  {sentence}", lambda channel, status=status, sentence=sentence: sum(
          int(row[4]) for row in reasons if (row[0], row[1], row[3]) == (channel, status, sentence))))
    others = [status for status in oracle.STATUSES if status not in (*shown, "uncertain") and
              report.status(status)]
    for status in (*others, "uncertain"):
      rows.append((status, lambda channel, status=status: report.channels.get(channel, {}).get(status, 0)))
    rows.append(("providers took", effects.get))
    heard = {row[0]: [int(value) for value in row[1:]] for row in self.stack.psql(f"""
      select channel, {", ".join(f"sum({word})" for word in HEARD)} from report.run_engagement group by 1""", role="postrider_analyst")}
    for place, word in enumerate(HEARD):
      rows.append((word, lambda channel, place=place: heard.get(channel, [0] * len(HEARD))[place]))
    totals = [("lost", report.lost), ("duplicates", report.duplicates), ("seconds", f"{self.seconds(report):.1f}"),
              ("deliveries a second", f"{self.per_second(report):,.0f}")]
    width = max(len(name) for name, _ in (*rows, *totals)) + 2
    rule = "-" * (width + 10 * (len(CHANNELS) + 1))
    lines = [f"{'':{width}}" + "".join(f"{name:>10}" for name in (*CHANNELS.values(), "together")), rule]
    for name, count in rows:
      counts = [count(channel) for channel in CHANNELS]
      lines.append(f"{name:{width}}" + "".join(f"{amount:>10,}" for amount in (*counts, sum(counts))))
    lines.append(rule)
    lines += [f"{name:{width}}{'':{10 * len(CHANNELS)}}{value:>10}" for name, value in totals]
    return "\n".join(lines)

  def effects(self):
    """The sandbox's own count and our inbox's. What was recognised as a repeat is no second message."""
    counts = dict.fromkeys(CHANNELS, 0)
    counts["in_app"] = int(self.stack.value("select count(*) from delivery.inbox_message"))
    for entry in self.sandbox.ledger():
      counts[VENDORS[entry["vendor"]]] += not entry["keyed"] or entry["repeat"] == 0
    return counts

  @staticmethod
  def seconds(report):
    return max(float(report.seconds), 0.001)

  def per_second(self, report):
    return (report.sent + report.status("bounced")) / self.seconds(report)

  def summary(self, report):
    return {"contacts": self.options.contacts, "audience": report.audience, "sent": report.sent,
            "bounced": report.status("bounced"), "failed": report.status("failed"), "skipped": report.status("skipped"), "uncertain": report.uncertain,
            "lost": report.lost, "duplicates": report.duplicates, "seconds": round(self.seconds(report), 2),
            "per_second": round(self.per_second(report), 1)}

  # --- The end ---

  def leave_running(self):
    lines = [f"{program.pid} {start_time(program.pid)} {program.name}\n" for program in self.programs]
    LEFT.write_text("".join(lines))
    for program in self.programs:
      program.leave_running()
    self.stack.leave_running()
    stack = runnable("stack")
    env = f'eval "$({stack} env {DIRECTORY})"'
    self.screen.say(f"""
Everything keeps running.
  database     {stack} psql {DIRECTORY}
               select * from report.run_ledger;   select * from report.failures_by_reason;
               select report.why_not(2, 101);     select marketing.send_message(42, 'One-time code', '{{"code": "123456"}}');
  campaigns    {env}; {binary('postrider-scheduler')} status --watch
  broker       {stack} rabbitmqctl {DIRECTORY} list_queues
  sandbox      http://127.0.0.1:{self.sandbox.http_port}/_sandbox/ledger, mail on port {self.sandbox.smtp_port}; its ledger is
               {self.sandbox.ledger_file}""")
    for title, url in self.urls.items():
      self.screen.say(f"  {title:12} {url}   log: {DIRECTORY}/{title}.log")
    self.screen.say(f"End it with {runnable('demo')} --stop")

  def close(self):
    # The workers first, with the time to finish; then what they talk to.
    for program in reversed(self.programs):
      program.term()
    for program in reversed(self.programs):
      try:
        program.wait(3)
      except TimeoutError:
        pass
      program.close()
    self.stack.close()

  def status(self):
    return self.call([binary("postrider-scheduler"), "status"], self.stack.env())

  @staticmethod
  def call(command, env=None):
    done = subprocess.run(command, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
      raise Failure(f"{' '.join(map(str, command[:3]))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def parse(arguments):
  def between(low, high):
    def number(text):
      if not text.isdecimal() or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"a number from {low} to {high:,} is needed, not {text!r}")
      return int(text)
    return number

  parser = argparse.ArgumentParser(prog="deploy/demo", add_help=False, allow_abbrev=False)
  parser.add_argument("--contacts", type=between(1, 10_000_000), default=10_000, metavar="N")
  parser.add_argument("--workers", type=between(1, 64), default=2, metavar="N")
  parser.add_argument("--json", action="store_true")
  parser.add_argument("--keep", action="store_true")
  parser.add_argument("--stop", action="store_true")
  return parser.parse_args(arguments)


def locked():
  """One demo at a time in a checkout. The lock ends with us."""
  try:
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    lock = open(DIRECTORY / "demo.lock", "a")  # noqa: SIM115
  except OSError as error:
    raise Failure(f"{DIRECTORY} cannot be written: {error.strerror}") from None
  try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except OSError:
    raise Failure(f"another demo runs in {DIRECTORY}") from None
  return lock


def perform(options, screen):
  lock = locked()
  if options.stop:
    screen.say("stopped" if stop_left() else "nothing was left running")
    return 0
  if stop_left():
    screen.say("ended what the last --keep left running")
  demo = Demo(options, screen)
  kept = False
  try:
    report, agree = demo.run()
    if options.keep:
      demo.leave_running()
      kept = True
    if options.json:
      screen.say(json.dumps(demo.summary(report)))
    return 0 if agree else 1
  finally:
    if not kept:
      demo.close()
    lock.close()


def on_signal(number, _):
  # Once is enough: what follows is the end, which must not be interrupted.
  for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(other, signal.SIG_IGN)
  raise SystemExit(128 + number)


def main():
  options = parse(sys.argv[1:])
  screen = Screen(sys.stdout)
  for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, on_signal)
  try:
    return perform(options, screen)
  except SystemExit as end:
    screen.say("interrupted; everything that was started is stopped")
    return end.code
  except BrokenPipeError:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 141
  except (Failure, RuntimeError, TimeoutError, FileNotFoundError) as error:
    screen.say(f"deploy/demo: {error}")
    return 1


if __name__ == "__main__":
  sys.exit(main())
