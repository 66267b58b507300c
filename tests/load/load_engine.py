"""load_engine - the engine under load, and the floor under the engine, on the same servers.

    with LoadEngine(directory) as engine:
      engine.add_people(100000)
      measured = engine.measure("in_app", 100000, workers=2)
      floor = engine.measure_floor("in_app", 100000)
"""
import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from engine import Engine  # noqa: E402
from private_servers import Program, Sandbox, binary, wait_until  # noqa: E402

CHANNELS = ("email", "in_app")
PARAGRAPH = ("Your points keep for another year when you visit one of our shops before the end of the month, "
             "and every coffee counts twice on Tuesdays. ")
EMAIL_TEXT = ("Dear {{ contact.first_name | default: \"friend\" }},\n\nyou have {{ contact.points }} points on card "
              "{{ contact.member_no }}, and {{ profile.city }} has a new shop.\n\n" + (PARAGRAPH + "\n\n") * 10)
EMAIL_HTML = ("<h1>Dear {{ contact.first_name | default: \"friend\" }}</h1><p>you have {{ contact.points }} points on card "
              "{{ contact.member_no }}, and {{ profile.city }} has a new shop.</p>\n" + f"<p>{PARAGRAPH}</p>\n" * 14)
TEMPLATES = {
  "email": ("{{ contact.first_name }}, {{ contact.points }} points wait for you", EMAIL_TEXT, EMAIL_HTML),
  "in_app": ("{{ contact.points }} points", "Dear {{ contact.first_name | default: \"friend\" }}, you have "
             "{{ contact.points }} points and {{ profile.city }} has a new shop. Every coffee counts twice on Tuesdays.", ""),
}


class LoadEngine(Engine):
  """Programs and sandbox are started anew for each measurement, the servers only once. Everything is durable."""

  def __init__(self, directory=None, env=None):
    super().__init__(directory, schedulers=0, workers=0, durable=True, env=env, sandbox=("--no-hash",))
  def _add_accounts(self):
    if self.stack.value("select count(*) from delivery.provider_account") == "0":  # a folder may be used again
      super()._add_accounts()

  # --- people ---

  def add_people(self, count):
    """Contacts with a profile of about 500 bytes, an address and a yes on both channels. Without triggers: they are many."""
    known = int(self.stack.value("select coalesce(max(contact_id), 0) from marketing.contact"))
    for first in range(known + 1, count + 1, 100000):
      self._add_page(first, min(first + 99999, count))
    self.stack.psql("""vacuum (analyze) marketing.contact;
                       vacuum (analyze) marketing.contact_point;
                       vacuum (analyze) marketing.consent;""")

  def _add_page(self, first, last):
    self.stack.psql(f"""
      set session_replication_role = replica;
      insert into marketing.topic (topic_id, name) values (1, 'Weekly offers') on conflict do nothing;
      insert into marketing.contact (contact_id, member_no, first_name, last_name, language, time_zone, tier, points, profile)
      select n, (40000000 + n)::text, (array['Anna', 'Jānis', 'Marta', 'Pēteris'])[n % 4 + 1], 'Bērziņa', 'lv', 'Europe/Riga',
             (array['basic', 'silver', 'gold'])[n % 3 + 1], n % 10000,
             jsonb_build_object('city', (array['Riga', 'Liepāja', 'Daugavpils'])[n % 3 + 1], 'birthday', '1987-05-14',
               'favourite_shop', 'Brīvības iela ' || n % 200, 'visits', n % 90, 'basket_average', 1234 + n % 900,
               'categories', jsonb_build_array('coffee', 'bakery', 'flowers', 'books'),
               'last_purchase', jsonb_build_object('at', '2026-10-03T10:11:12Z', 'amount', 1995, 'items', n % 7,
                 'shop', jsonb_build_object('number', n % 200, 'district', 'Centrs', 'opened', 2014)),
               'app', jsonb_build_object('platform', 'android', 'version', '5.11.2', 'push', true, 'language', 'lv'),
               'notes', repeat('loves cinnamon; ', 5))
      from generate_series({first}, {last}) n;
      insert into marketing.contact_point (contact_id, channel, address)
      select n, 'email', 'member' || n || '@example.org' from generate_series({first}, {last}) n;
      insert into marketing.contact_point (contact_id, channel, address)
      select n, 'in_app', 'app-' || n from generate_series({first}, {last}) n;
      insert into marketing.consent (contact_id, channel, topic_id, is_granted, source)
      select n, channel, 1, true, 'till 12' from generate_series({first}, {last}) n,
        unnest(array['email', 'in_app']::marketing.channel[]) channel;""")

  # --- one measurement of the engine ---

  def add_load(self, channel, recipients):
    """A draft campaign to the first so many contacts."""
    name = f"Load {time.time_ns()}"
    subject, text, html = TEMPLATES[channel]
    self.add_template(name, channel, subject, text, html)
    return self.add_campaign(name, [channel], f"contact_id <= {recipients}", name)

  @contextlib.contextmanager
  def programs_running(self, workers, latency_ms=0, env=None):
    """A fresh sandbox, a scheduler and workers, drained at the end."""
    self.restart_sandbox(latency_ms)
    self.schedulers, self.workers = [], []
    self.add_scheduler(**(env or {}))
    for _ in range(workers):
      self.add_worker(**(env or {}))
    self.wait_ready()
    try:
      yield
    finally:
      for program in self.programs():
        program.term()
      for program in self.programs():
        program.wait()

  def restart_sandbox(self, latency_ms=0):
    self.sandbox.close()
    # It checks no signatures: that is work of a provider's, not of ours.
    self.sandbox = Sandbox(self.directory, latency_ms, arguments=("--no-hash",)).start()
    self.set_account("relay", port=self.sandbox.smtp_port)
    self.set_account("app", url=f"http://127.0.0.1:{self.sandbox.http_port}/messages")

  def measure(self, channel, recipients, workers=2, latency_ms=0, env=None):
    """Runs one campaign and returns what it took, as a dict."""
    campaign = self.add_load(channel, recipients)
    # The last run's dead rows are not this run's work.
    self.stack.psql("vacuum (analyze) delivery.delivery; vacuum delivery.tally; checkpoint")
    transactions = self._transactions()
    with self.programs_running(workers, latency_ms, env):
      self.wait_checked()
      before, started_ms = self._cpu(), self._start(campaign)
      self._wait_until_done(campaign, recipients)
      after = self._cpu()
      memory_kb = self._memory_kb()
    transactions = self._transactions() - transactions
    result = self._reconcile(campaign, started_ms)
    per_delivery = {name: (after[name] - before[name]) * 1e6 / recipients for name in after}
    return {**result, "channel": channel, "recipients": recipients, "workers": workers, "latency_ms": latency_ms,
            "cpu_us": per_delivery, "cpu_us_total": sum(per_delivery.values()),
            "transactions_per_1000": transactions * 1000 / recipients, "memory_kb": memory_kb}

  def _start(self, campaign):
    """Starts it and returns the moment in Unix ms, by the database's clock, which is this machine's."""
    return float(self.stack.value(f"""update marketing.campaign set desired_status = 'running'
      where campaign_id = {campaign} returning extract(epoch from clock_timestamp()) * 1000"""))

  def _wait_until_done(self, campaign, recipients, timeout_s=3600):
    # The sandbox is asked first: a question to the database costs what is measured.
    wait_until(lambda: self.sandbox.counts()["distinct"] >= recipients, timeout_s, "the sandbox to get everything", 0.25)
    self.wait_settled(campaign, 120)

  def _cpu(self):
    """CPU seconds so far, by program."""
    seconds = {**self.stack.cpu_seconds(), "sandbox": self.sandbox.cpu_seconds(),
               "scheduler": sum(program.cpu_seconds() for program in self.schedulers)}
    for number, worker in enumerate(self.workers, 1):
      seconds[f"worker {number}"] = worker.cpu_seconds()
    return seconds

  def _memory_kb(self):
    peaks = {**self.stack.peak_memory_kb(), "sandbox": self.sandbox.peak_memory_kb(),
             "scheduler": max(program.peak_memory_kb() for program in self.schedulers)}
    for number, worker in enumerate(self.workers, 1):
      peaks[f"worker {number}"] = worker.peak_memory_kb()
    return peaks

  def _transactions(self):
    """All transactions so far. The programs have gone, so that all of theirs are counted."""
    return int(self.stack.value("select xact_commit + xact_rollback from pg_stat_database where datname = current_database()"))

  def _reconcile(self, campaign, started_ms):
    """Database and sandbox side by side: speed, latencies, what is lost and what came twice."""
    rows = self.stack.psql(f"""
      select d.delivery_id, d.status, round(extract(epoch from d.queued_at) * 1000), round(extract(epoch from d.settled_at) * 1000)
      from delivery.delivery d join delivery.run_step rs using (run_step_id) join delivery.campaign_run using (campaign_run_id)
      where campaign_id = {campaign}""")
    queued_ms = {delivery: int(queued) for delivery, status, queued, settled in rows if status == "sent"}
    ended_ms = max(int(settled) for _, _, _, settled in rows if settled)
    latencies, accepted, strangers = [], set(), 0
    lines = 0
    for line in self.sandbox.ledger():
      lines += 1
      delivery = line["delivery"]
      if delivery not in queued_ms:
        strangers += 1
      elif delivery not in accepted:
        latencies.append(line["at_ms"] - queued_ms[delivery])
      accepted.add(delivery)
    latencies.sort()
    seconds = (ended_ms - started_ms) / 1000
    return {"sent": len(queued_ms), "seconds": seconds, "per_second": len(rows) / seconds,
            "latency_p50_ms": percentile(latencies, 50), "latency_p95_ms": percentile(latencies, 95),
            "latency_p99_ms": percentile(latencies, 99), "lost": len(queued_ms.keys() - accepted),
            "duplicates": lines - len(accepted), "strangers": strangers}

  # --- the floor ---

  def measure_floor(self, channel, count, connections=100):
    """The bare parts, all at the same time on the same servers. The rate is theirs together."""
    self.stack.psql(FLOOR_TABLES)
    self.restart_sandbox()
    self.stack.psql("checkpoint")
    url = (f"http://127.0.0.1:{self.sandbox.http_port}/messages" if channel == "in_app"
           else f"smtp://127.0.0.1:{self.sandbox.smtp_port}")
    half = count // 2
    before = {**self.stack.cpu_seconds(), "sandbox": self.sandbox.cpu_seconds()}
    started = time.monotonic()
    parts = [floor_part("broker", self.stack.amqp_url, 1, count), floor_part("rows", self.stack.database_url, 1, half),
             floor_part("rows", self.stack.database_url, half + 1, count - half),
             floor_part("requests", url, 1, count, connections)]
    answers = [floor_answer(part) for part in parts]
    seconds = time.monotonic() - started
    after = {**self.stack.cpu_seconds(), "sandbox": self.sandbox.cpu_seconds()}
    self.stack.psql("drop schema load_floor cascade")
    servers = {name: after[name] - before[name] for name in after}
    cpu_us = {part: (servers[server] + sum(a["cpu_seconds"] for a in answers if a["part"] == part)) * 1e6 / count
              for part, server in (("broker", "rabbitmq"), ("rows", "postgres"), ("requests", "sandbox"))}
    return {"channel": channel, "count": count, "seconds": seconds, "per_second": count / seconds, "cpu_us": cpu_us,
            "cpu_us_total": sum(cpu_us.values()), "part_seconds": {a["part"]: a["seconds"] for a in answers}}

  # --- fairness and cancelling ---

  def measure_fairness(self, crowd, workers=2):
    """One recipient behind a crowd, then the crowd cancelled: seconds until the one is sent, ms until silence."""
    large, small = self.add_load("in_app", crowd), self.add_load("in_app", 1)
    with self.programs_running(workers):
      self.wait_checked()
      self._start(large)
      wait_until(lambda: self._is_planned(large), 600, "the crowd to be planned", 0.5)
      started_ms = self._start(small)
      self.wait_settled(small, 120)
      settled_ms = float(self.stack.value(f"""
        select max(extract(epoch from d.settled_at)) * 1000 from delivery.delivery d join delivery.run_step using (run_step_id)
        join delivery.campaign_run using (campaign_run_id) where campaign_id = {small} and d.status = 'sent'"""))
      self.stack.psql(f"update marketing.campaign set desired_status = 'cancelled' where campaign_id = {large}")
      cancelled_ms = time.time() * 1000
      wait_until(lambda: self.status_of(large) == "cancelled", 300, "the crowd to be closed", 0.5)
      closed_s = time.time() - cancelled_ms / 1000
    at_ms = {line["delivery"]: line["at_ms"] for line in self.sandbox.ledger()}
    counts = self.counts(large)
    return {"crowd": crowd, "one_behind_crowd_s": (settled_ms - started_ms) / 1000,
            "silence_after_cancel_ms": max(at_ms.values()) - cancelled_ms, "closed_after_cancel_s": closed_s,
            "cancelled": counts.get("cancelled", 0), "sent": counts.get("sent", 0), "accepted": len(at_ms) - 1}

  def _is_planned(self, campaign):
    return self.stack.value(f"""select count(*) from delivery.campaign_run
      where campaign_id = {campaign} and plan_ended_at is not null""") == "1"


def percentile(ordered, percent):
  return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else None


def floor_part(part, url, first, count, connections=100):
  return subprocess.Popen([binary("postrider-load-floor"), part, "--url", url, "--first", str(first), "--count", str(count),
                           "--connections", str(connections)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)


def floor_answer(part):
  answer = part.communicate()[0]
  if part.returncode != 0:
    raise RuntimeError(f"postrider-load-floor ended with {part.returncode}")
  return json.loads(answer)


# The tables that the engine writes, with the same indexes and the same room in their pages.
FLOOR_TABLES = """
  drop schema if exists load_floor cascade;
  create schema load_floor;
  do $$
  declare
    month text := delivery.month_of(now());
    options text[];
  begin
    perform delivery.ensure_partition(delivery.month_of(now()));
    execute format('create table load_floor.delivery (like delivery.%I including all)', 'delivery_' || month);
    execute format('create table load_floor.attempt (like delivery.%I including all)', 'attempt_' || month);
    select c.reloptions into options from pg_class c where c.oid = format('delivery.%I', 'delivery_' || month)::regclass;
    execute format('alter table load_floor.delivery set (%s)', array_to_string(options, ', '));
  end
  $$;"""
