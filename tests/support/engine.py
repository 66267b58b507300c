"""engine - the whole engine for a test: servers, sandbox, schedulers, workers, people and campaigns.

    with Engine("/tmp/x", workers=3) as engine, Checks() as checks:
      engine.add_contacts(1000)
      campaign = engine.add_campaign("Spring", ["email", "in_app"])
      engine.wish(campaign, "running")
      engine.wait_settled(campaign)
      engine.account_for(checks, audience=2000)

Every program logs in as its own database role, so that a missing grant is found. Logs are in the folder, one a program.
"""
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request

import oracle
import vendor_crypto
from private_servers import Program, Sandbox, Stack, free_ports, wait_until

CALLBACK_SECRET = "callbacks-of-the-sandbox"
WEBHOOK_SECRET = "whsec_" + "cG9zdHJpZGVyLXRlc3RzLWFsd2F5cy11c2UtdGhpcw=="
PUBLIC_URL = "https://callbacks.example.org"
SETTLED = "('sent', 'delivered', 'bounced', 'failed', 'skipped', 'cancelled', 'expired', 'held_out', 'uncertain')"

# A test waits for what it expects, so it may wait long: builds with sanitizers on a busy machine are slow.
PATIENCE_S = 240


def literal(value):
  """A value as SQL."""
  if value is None:
    return "null"
  if isinstance(value, bool):
    return "true" if value else "false"
  if isinstance(value, (int, float)):
    return str(value)
  if isinstance(value, (dict, list)):
    value = json.dumps(value)
  return "'" + str(value).replace("'", "''") + "'"


def vendor_settings(sandbox, vendor, directory):
  """(channel, settings) of an account at a vendor of the sandbox; secrets are put into files of the directory."""
  def secret(name, text):
    path = f"{directory}/{name}"
    with open(path, "w", encoding="utf-8", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
      file.write(text)
    return f"file:{path}"

  url, accounts = sandbox.url, sandbox.accounts()
  mine = accounts.get(vendor, {})
  sender = {"from_email": "club@example.org", "from_name": "The Club"}
  plain = {"plain_http": True, "timeout_ms": 10000}
  if vendor == "mandrill":
    return "email", {**sender, **plain, "base_url": f"{url}/mandrill/api/1.0", "api_key": secret("mandrill.key", mine["keys"][0]),
                     "webhook_key": secret("mandrill.webhook", CALLBACK_SECRET)}
  if vendor == "sendgrid":
    return "email", {**sender, **plain, "base_url": f"{url}/sendgrid", "api_key": secret("sendgrid.key", mine["keys"][0])}
  if vendor == "twilio":
    return "sms", {**plain, "base_url": f"{url}/twilio", "account_sid": mine["sid"], "from": "+37129999999",
                   "auth_token": secret("twilio.token", mine["token"])}
  if vendor == "fcm":
    google = accounts["google"]
    document = {"type": "service_account", "project_id": google["project_id"], "client_email": google["client_email"],
                "private_key_id": "sandbox", "private_key": google["private_key"], "token_uri": f"{url}/google/token"}
    return "push", {**plain, "base_url": f"{url}/fcm", "service_account": secret("fcm.json", json.dumps(document))}
  if vendor == "apns":
    return "push", {**plain, "base_url": sandbox.https_url, "ca_file": str(sandbox.ca_file), "team_id": mine["team_id"],
                    "key_id": mine["key_id"], "topic": mine["topic"], "private_key": secret("apns.p8", mine["private_key"])}
  if vendor == "inbox":
    return "in_app", {}
  if vendor == "webpush":
    return "web_push", {**plain, "subject": "mailto:club@example.org",
                        "vapid_private_key": secret("webpush.pem", vendor_crypto.new_p256())}
  raise ValueError(f"there is no account to make at {vendor}")


class Service(Program):
  """A scheduler, worker or receiver with a health port of its own."""

  def __init__(self, name, log, env):
    self.port = free_ports(1)[0]
    super().__init__(name, (), {**env, "POSTRIDER_LISTEN": f"127.0.0.1:{self.port}"}, log)

  def get(self, path):
    """Status and text."""
    try:
      with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
        return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
      return error.code, error.read().decode()
    except OSError:
      return 0, ""

  def ready(self):
    return self.get("/readyz")[0] == 200

  def metric(self, name):
    """The value of a series as it is written, name{label="x"}, or the sum over all labels of a name."""
    lines = (line.rsplit(" ", 1) for line in self.get("/metrics")[1].splitlines() if not line.startswith("#"))
    return sum(float(value) for series, value in lines if name in (series, series.split("{")[0]))

  def logged(self, event):
    """The log lines of one event, as dicts."""
    found = []
    with open(self.log, encoding="utf-8", errors="replace") as lines:
      for line in lines:
        with contextlib.suppress(ValueError):
          entry = json.loads(line)
          if entry.get("event") == event:
            found.append(entry)
    return found


class Engine:
  """Starts everything when entered, ends it all when left. env: settings of all programs."""

  def __init__(self, directory=None, schedulers=1, workers=2, durable=False, env=None, latency_ms=0, sandbox=()):
    self._temporary = None if directory else tempfile.mkdtemp(prefix="postrider-test-")
    self.directory = str(directory or self._temporary)
    self.stack = Stack(f"{self.directory}/stack", durable=durable)
    self.env = {"WEBHOOK_SECRET": WEBHOOK_SECRET, "POSTRIDER_LOG_LEVEL": "info", **(env or {})}
    self.sandbox = Sandbox(self.directory, latency_ms, WEBHOOK_SECRET, sandbox)
    self.schedulers, self.workers, self.receivers = [], [], []
    self._wanted = schedulers, workers
    self._count = 0

  def __enter__(self):
    try:
      self.stack.start()
      self.sandbox.start()
      self._add_accounts()
      for _ in range(self._wanted[0]):
        self.add_scheduler()
      for _ in range(self._wanted[1]):
        self.add_worker()
      self.wait_ready()
    except BaseException:
      self.close()
      raise
    return self

  def __exit__(self, kind, *_):
    if kind:
      self._show_logs()
    self.close(keep=kind is not None)

  def close(self, keep=False):
    for thing in (*self.receivers, *self.workers, *self.schedulers, self.sandbox, self.stack):
      thing.close()
    if self._temporary and not keep:
      shutil.rmtree(self._temporary, ignore_errors=True)

  def program_env(self, role):
    return {**self.env, "POSTRIDER_AMQP_URL": self.stack.amqp_url,
            "POSTRIDER_DATABASE_URL": f"{self.stack.database_url}?options=-c%20role%3D{role}"}

  def add_scheduler(self, **env):
    self.schedulers.append(self._service("postrider-scheduler", "postrider_scheduler", env))
    return self.schedulers[-1].start()

  def add_worker(self, **env):
    self.workers.append(self._service("postrider-worker", "postrider_worker", {"POSTRIDER_PUBLIC_URL": PUBLIC_URL, **env}))
    return self.workers[-1].start()

  def add_receiver(self, **env):
    """callback_port is where it takes callbacks."""
    port = free_ports(1)[0]
    receiver = self._service("postrider-receiver", "postrider_receiver",
                             {"POSTRIDER_PUBLIC_URL": PUBLIC_URL, "POSTRIDER_CALLBACK_LISTEN": f"127.0.0.1:{port}", **env})
    receiver.callback_port = port
    self.receivers.append(receiver)
    return receiver.start()

  def programs(self):
    return [*self.schedulers, *self.workers, *self.receivers]

  def wait_ready(self):
    for program in self.programs():
      wait_until(program.ready, PATIENCE_S, f"{program.name} to be ready: {program.get('/readyz')}", 0.1)

  def wait_checked(self):
    """Waits until the workers have looked at all texts."""
    wait_until(lambda: self.stack.value("select count(*) from marketing.template_version where not is_current") == "0",
               PATIENCE_S, "all texts to be checked", 0.05)

  # --- people and campaigns ---

  def add_contacts(self, count, first=1, topic=True, addresses=True):
    """Contacts first..first+count-1, with an email and an in-app address each and a yes to topic 1."""
    last = first + count - 1
    self.stack.psql(f"""
      insert into marketing.topic (topic_id, name) values (1, 'Weekly offers') on conflict do nothing;
      insert into marketing.contact (contact_id, member_no, first_name, last_name, tier, points, profile)
      select n, 'M' || n, 'Anna' || n, 'Bērziņa', (array['basic', 'silver', 'gold'])[n % 3 + 1], n,
             jsonb_build_object('city', (array['Riga', 'Liepaja'])[n % 2 + 1])
      from generate_series({first}, {last}) n;
      insert into marketing.contact_point (contact_id, channel, address)
      select n, 'email', 'member' || n || '@example.org' from generate_series({first}, {last}) n where {literal(addresses)};
      insert into marketing.contact_point (contact_id, channel, address)
      select n, 'in_app', 'app-' || n from generate_series({first}, {last}) n where {literal(addresses)};
      insert into marketing.consent (contact_id, channel, topic_id, is_granted, source)
      select n, channel, 1, true, 'test' from generate_series({first}, {last}) n,
        unnest(array['email', 'in_app']::marketing.channel[]) channel where {literal(topic)};
      analyze marketing.contact, marketing.contact_point, marketing.consent;""")

  def add_template(self, name, channel, subject="Offers for {{ contact.first_name }}",
                   text="Dear {{ contact.first_name | default: \"friend\" }}, you have {{ contact.points }} points.",
                   html=None):
    """A new template, or a new version of it."""
    if html is None:
      html = "<p>Dear {{ contact.first_name }}, you have {{ contact.points }} points.</p>" if channel == "email" else ""
    self.stack.psql(f"""
      insert into marketing.template (name, channel) values ({literal(name)}, {literal(channel)}) on conflict do nothing;
      insert into marketing.template_version (template_id, subject, body_text, body_html)
      select template_id, {literal(subject)}, {literal(text)}, {literal(html)} from marketing.template
      where name = {literal(name)};""")

  def add_campaign(self, name, channels, segment="true", template=None, **columns):
    """A draft, one step a channel. template: a name instead of one of its own, for a single channel."""
    columns = {"topic_id": 1, **columns}
    names = "".join(f", {column}" for column in columns)
    values = "".join(f", {literal(value)}" for value in columns.values())
    campaign = int(self.stack.value(f"""
      insert into marketing.segment (name, condition) values ({literal(name)}, {literal(segment)});
      insert into marketing.campaign (name, segment_id{names})
      select {literal(name)}, segment_id{values} from marketing.segment where name = {literal(name)}
      returning campaign_id;"""))
    for position, channel in enumerate(channels, 1):
      used = template or f"{name} {channel}"
      if not template:
        self.add_template(used, channel)
      self.stack.psql(f"""insert into marketing.step (campaign_id, position, template_id)
        select {campaign}, {position}, template_id from marketing.template where name = {literal(used)}""")
    return campaign

  def wish(self, campaign, desired_status):
    """Sets what a person wants and returns the Unix time of the commit."""
    self.stack.psql(f"update marketing.campaign set desired_status = {literal(desired_status)} where campaign_id = {campaign}")
    return time.time()

  def send_message(self, contact, template, data=None, key=None):
    return int(self.stack.value(
      f"select marketing.send_message({contact}, {literal(template)}, {literal(data or {})}, {literal(key)})"))

  # --- waiting and looking ---

  def hurry(self):
    """What waits for its next attempt, or for an account to be tried again, need not wait: for tests of what follows."""
    self.stack.psql("""
      update delivery.delivery set next_at = now() where status = 'planned' and next_at > now();
      update delivery.provider_account set open_until = now() where open_until > now();
      update delivery.provider_account set paused_until = now() where paused_until > now();""")

  def status_of(self, campaign):
    return self.stack.value(f"select actual_status from marketing.campaign where campaign_id = {campaign}")

  def counts(self, campaign):
    """{status: deliveries}, by the tally."""
    return {status: int(amount) for status, amount in self.stack.psql(f"""
      select t.status, sum(t.amount) from delivery.tally t join delivery.run_step using (run_step_id)
      join delivery.campaign_run using (campaign_run_id) where campaign_id = {campaign}
      group by 1 having sum(t.amount) <> 0""")}

  def settled(self, campaign):
    return sum(amount for status, amount in self.counts(campaign).items() if status not in oracle.OPEN)

  def reasons(self, campaign):
    """{"status: reason": deliveries}, without those that were sent."""
    return {reason: int(amount) for reason, amount in self.stack.psql(f"""
      select d.status || ': ' || coalesce(d.reason, ''), count(*) from delivery.delivery d
      join delivery.run_step using (run_step_id) join delivery.campaign_run using (campaign_run_id)
      where campaign_id = {campaign} and d.status <> 'sent' group by 1""")}

  def wait_counts(self, campaign, condition, what, timeout_s=PATIENCE_S):
    """Waits until condition(counts) is true."""
    return wait_until(lambda: condition(self.counts(campaign)), timeout_s,
                      f"{what}; now {self.counts(campaign)}", 0.1)

  def wait_settled(self, campaign, timeout_s=PATIENCE_S):
    """Waits until the run has ended, or has nothing left but uncertain deliveries."""
    def done():
      rows = self.stack.psql(f"""
        select r.ended_at is not null, r.plan_ended_at is not null or r.close_as is not null,
               (select coalesce(sum(t.amount) filter (where t.status in ('planned', 'queued', 'sending')), 0)
                from delivery.tally t join delivery.run_step using (run_step_id)
                where campaign_run_id = r.campaign_run_id),
               (select coalesce(sum(t.amount) filter (where t.status = 'uncertain'), 0)
                from delivery.tally t join delivery.run_step using (run_step_id)
                where campaign_run_id = r.campaign_run_id)
        from delivery.campaign_run r where campaign_id = {campaign}""")
      return rows and all(ended == "t" or (planned == "t" and opened == "0" and uncertain != "0")
                          for ended, planned, opened, uncertain in rows)
    try:
      wait_until(done, timeout_s, f"campaign {campaign} to be settled", 0.2)
    except TimeoutError as error:
      raise TimeoutError(f"{error}: {self.status_of(campaign)}, {self.counts(campaign)}, {self.reasons(campaign)}") from None

  def reconcile(self, cancelled=None, slack_ms=1000):
    return oracle.reconcile(self.stack, [self.sandbox], cancelled, slack_ms)

  def account_for(self, checks, cancelled=None, slack_ms=1000, **promises):
    """Asks the oracle and turns each broken promise into a failed check. Returns the report."""
    report = self.reconcile(cancelled, slack_ms)
    problems = report.problems(**promises)
    checks.check("everything is accounted for", not problems, "; ".join(problems))
    if problems:
      print(report.table(), flush=True)
    return report

  def _add_accounts(self):
    smtp = {"host": "127.0.0.1", "port": self.sandbox.smtp_port, "tls": "none", "from_email": "club@example.org",
            "from_name": "The Club", "timeout_ms": 10000}
    webhook = {"url": f"http://127.0.0.1:{self.sandbox.http_port}/messages", "secret": "env:WEBHOOK_SECRET",
               "plain_http": True, "timeout_ms": 10000}
    self.stack.psql(f"""insert into delivery.provider_account (name, driver, channel, settings)
      values ('relay', 'smtp', 'email', {literal(smtp)}), ('app', 'webhook', 'in_app', {literal(webhook)})""")

  def add_vendor(self, vendor, name=None, **settings):
    """An account at a vendor of the sandbox, with the settings that its driver wants; more settings may be given. Returns
    its name. Callbacks to it are ordered with order_callbacks()."""
    channel, wanted = vendor_settings(self.sandbox, vendor, self.directory)
    name = name or vendor
    self.stack.psql(f"""insert into delivery.provider_account (name, driver, channel, settings)
      values ({literal(name)}, {literal(vendor)}, {literal(channel)}, {literal({**wanted, **settings})})""")
    return name

  def set_account(self, name, **settings):
    """Changes settings of an account."""
    self.stack.psql(f"""update delivery.provider_account set settings = settings || {literal(settings)}::jsonb
      where name = {literal(name)}""")

  def _service(self, name, role, env):
    self._count += 1
    return Service(name, f"{self.directory}/{name}-{self._count}.log", {**self.program_env(role), **env})

  def _show_logs(self):
    for program in self.programs():
      with open(program.log, encoding="utf-8", errors="replace") as lines:
        tail = lines.read().splitlines()[-8:]
      print(f"--- {program.log} (exit code {program.exit_code})", *tail, sep="\n", file=sys.stderr)


class Checks:
  """Counts what holds and what does not; says so at the end and exits 1 when anything failed."""

  def __init__(self):
    self.passed = self.failed = 0

  def check(self, sentence, holds, detail=""):
    if holds:
      self.passed += 1
      print(f"  ok: {sentence}", flush=True)
    else:
      self.failed += 1
      print(f"FAILED: {sentence}{': ' + str(detail) if detail != '' else ''}", flush=True)
    return bool(holds)

  def equal(self, sentence, found, expected):
    return self.check(sentence, found == expected, f"{found!r} instead of {expected!r}")

  def __enter__(self):
    return self

  def __exit__(self, kind, value, _):
    if kind and not issubclass(kind, (KeyboardInterrupt, SystemExit)):
      self.check("the test ran to its end", False, f"{kind.__name__}: {value}")
    print(f"{self.passed} passed, {self.failed} failed", flush=True)
    if self.failed and not kind:
      sys.exit(1)
