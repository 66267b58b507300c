"""database - a migrated PostgreSQL of a test's own, the verbs of the programs as methods, and sentences that are checked.

    database = Database()
    run = database.launch("letters")
    database.plan(run)
    checks.equal("everybody is planned", database.counts(run), {"planned": 100})
    checks.finish()

After every verb the counts of delivery.delivery are compared with delivery.tally; a difference ends the test.
"""
import atexit
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from private_servers import ROOT, Stack, _psql_client  # noqa: E402

DIFFERENCES = """
  select run_step_id, status, reason, d.amount, t.amount
  from (select run_step_id, status,
               case when status in ('planned', 'queued', 'sending', 'sent') then '' else coalesce(reason, '') end as reason,
               count(*) as amount
        from delivery.delivery group by 1, 2, 3) d
  full join (select run_step_id, status, reason, sum(amount) as amount from delivery.tally
             group by 1, 2, 3 having sum(amount) <> 0) t using (run_step_id, status, reason)
  where d.amount is distinct from t.amount"""

THINGS = """  insert into marketing.topic (topic_id, name, needs_opt_in) values (1, 'Weekly offers', true), (2, 'Club news', false);
  insert into marketing.segment (segment_id, name) values (1, 'everybody');
  insert into marketing.template (template_id, name, channel) values
    (1, 'letter', 'email'), (2, 'note', 'in_app'), (3, 'one-time code', 'email');
  insert into marketing.template_version (template_version_id, template_id, subject, body_text) values
    (1, 1, 'Offers', 'Dear {{ contact.first_name }}'), (2, 2, '', 'Hello'), (3, 3, 'Your code', '{{ data.code }}');
  insert into delivery.provider_account (provider_account_id, name, driver, channel) values
    (1, 'relay', 'smtp', 'email'), (2, 'app', 'webhook', 'in_app');
  select setval(pg_get_serial_sequence('marketing.' || t, t || '_id'), 1000)
  from unnest('{topic,segment,template,template_version}'::text[]) t;
  select setval(pg_get_serial_sequence('marketing.contact', 'contact_id'), 10000000),
         setval(pg_get_serial_sequence('delivery.provider_account', 'provider_account_id'), 1000);
"""

PEOPLE = """
  delete from marketing.contact;
  insert into marketing.contact (contact_id, member_no, first_name, last_name, language, tier, points)
  select g, '4000' || g, 'Anna ' || g, 'Ozola', case when g % 3 = 0 then 'lv' else 'en' end,
         case when g % 2 = 0 then 'gold' else 'silver' end, g * 10 from generate_series(1, {contacts}) g;
  insert into marketing.contact_point (contact_id, channel, address)
  select g, 'email', 'anna' || g || '@example.org' from generate_series(1, {contacts}) g;
  insert into marketing.contact_point (contact_id, channel, address)
  select g, 'in_app', 'inbox-' || g from generate_series(1, {contacts}) g;
  insert into marketing.consent (contact_id, channel, topic_id, is_granted, source)
  select g, c, 1, true, 'till 12, Riga'
  from generate_series(1, {contacts}) g, unnest('{{email,in_app}}'::marketing.channel[]) c;
"""


class Checks:
  """Prints each sentence with ok or FAILED, and at the end how many of each."""

  def __init__(self):
    self.passed = self.failed = 0

  def true(self, sentence, truth, detail=""):
    if truth:
      self.passed += 1
      print(f"ok      {sentence}")
    else:
      self.failed += 1
      print(f"FAILED  {sentence}{': ' if detail else ''}{detail}", flush=True)

  def equal(self, sentence, got, wanted):
    self.true(sentence, got == wanted, f"{got!r} instead of {wanted!r}")

  def refused(self, sentence, call, *words):
    """call() fails, and its message holds all the words."""
    try:
      call()
    except RuntimeError as error:
      missing = [word for word in words if word not in str(error)]
      self.true(sentence, not missing, f"{missing} not in {error}")
    else:
      self.true(sentence, False, "it was not refused")

  def none(self, sentence, rows):
    self.true(sentence, not rows, "; ".join(" ".join(str(value) for value in row) for row in rows[:20]))

  def finish(self):
    print(f"{self.passed} passed, {self.failed} failed")
    sys.exit(1 if self.failed or not self.passed else 0)


class Session:
  """A connection that stays open: for transactions and for sessions that meet."""

  def __init__(self, database):
    self._process = subprocess.Popen(
      [_psql_client(), "-X", "-q", "-A", "-t", "-F", "|", "-d", database.database_url], stdin=subprocess.PIPE,
      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8")

  def send(self, sql):
    self._mark = secrets.token_hex(8)
    self._process.stdin.write(f"{sql.rstrip().rstrip(';')};\n\\echo {self._mark}\n")
    self._process.stdin.flush()

  def receive(self):
    lines = []
    for line in self._process.stdout:
      line = line.rstrip("\n")
      if line == self._mark:
        break
      lines.append(line)
    errors = [line for line in lines if "ERROR:" in line]
    if errors:
      raise RuntimeError("\n".join(lines))
    return [tuple(line.split("|")) for line in lines]

  def psql(self, sql):
    self.send(sql)
    return self.receive()

  def value(self, sql):
    return self.psql(sql)[0][0]

  def close(self):
    self._process.communicate("\\q\n")


def array(values, kind):
  return "array[" + ",".join("null" if value is None else str(value) for value in values) + f"]::{kind}[]"


def literal(value):
  if value is None:
    return "null"
  if isinstance(value, (int, float)):
    return str(value).lower()
  return "'" + str(value).replace("'", "''") + "'"


class Database(Stack):
  """contacts: how many people there are; 0: no fixture at all."""

  def __init__(self, contacts=20):
    folder = tempfile.mkdtemp(prefix="postrider-sql-")
    atexit.register(shutil.rmtree, folder, True)
    os.chmod(folder, 0o755)  # the server may run as another user
    super().__init__(folder, durable=False, broker=False)
    self.start()
    self.tokens = 0
    if contacts:
      self.psql(THINGS)
      self.people(contacts)
      self.checked()

  def people(self, contacts):
    """So many contacts, numbered from 1, as if nothing had happened to them: each with an email address and an inbox,
    and a yes to the weekly offers."""
    self.psql(PEOPLE.format(contacts=contacts))

  def checked(self):
    """As if a worker had looked at all texts and found them in order."""
    self.psql("""
      select delivery.note_partial_check(version_id, null) from delivery.templates_to_check(1000) where kind = 'partial';
      select delivery.note_template_check(version_id, partial_names::text[], partial_version_ids::bigint[], '{}', '{}', '{}', '{}', '{}',
        '{}', '{}', '{}', '{}', '{}', '{}') from delivery.templates_to_check(1000) where kind = 'template'""")

  def launch(self, name, topic=2, template=1, segment=1, **fields):
    """Makes a campaign, lets it start, and returns its run: run, step, lane and month."""
    campaign = self.campaign(name, topic, template, segment, **fields)
    self.follow()
    return self.run(campaign)

  def campaign(self, name, topic=2, template=1, segment=1, wish="running", **fields):
    columns = {"name": name, "topic_id": topic, "segment_id": segment, "desired_status": wish, **fields}
    campaign = self.value(f"insert into marketing.campaign ({', '.join(columns)}) "
                          f"values ({', '.join(literal(value) for value in columns.values())}) returning campaign_id")
    for position, one in enumerate(template if isinstance(template, tuple) else (template,), 1):
      self.psql(f"insert into marketing.step (campaign_id, position, template_id) values ({campaign}, {position}, {one})")
    return campaign

  def run(self, campaign):
    rows = self.psql(f"select r.campaign_run_id, rs.run_step_id, rs.lane_id, r.month, r.campaign_id "
                     f"from delivery.campaign_run r join delivery.run_step rs using (campaign_run_id) "
                     f"where r.campaign_id = {campaign} order by r.campaign_run_id desc, rs.run_step_id limit 1")
    return dict(zip(("run", "step", "lane", "month", "campaign"), rows[0])) if rows else None

  def wish(self, run, status):
    self.psql(f"update marketing.campaign set desired_status = '{status}' where campaign_id = {run['campaign']}")

  def status(self, run):
    return self.value(f"select actual_status from marketing.campaign where campaign_id = {run['campaign']}")

  # --- the verbs ---

  def follow(self):
    return int(self._verb("select delivery.follow_wishes()")[0][0])

  def plan(self, run, page=1000, pages=None):
    """Plans page after page as the planner does, to the end or only so many pages."""
    while pages is None or pages > 0:
      cursor, ended, condition = self.psql(f"select plan_cursor, plan_ended_at, segment_condition "
                                           f"from delivery.campaign_run where campaign_run_id = {run['run']}")[0]
      if ended:
        return
      ids = [row[0] for row in self.psql(f"select * from marketing.segment_page({literal(condition)}, {cursor}, {page})")]
      self._verb(f"select delivery.plan({run['run']}, {cursor}, {array(ids, 'bigint')}, {len(ids) < page})")
      pages = None if pages is None else pages - 1

  def dispatch(self, lane, limit=1000):
    """[(delivery_id, epoch)]"""
    lane = lane["lane"] if isinstance(lane, dict) else lane
    return [row[:2] for row in self._verb(f"select * from delivery.dispatch({lane}, {limit})")]

  def undispatch(self, pairs, wait_ms=0):
    ids, epochs = zip(*pairs)
    return int(self._verb(f"select delivery.undispatch({array(ids, 'bigint')}, {array(epochs, 'integer')}, {wait_ms})")[0][0])

  def claim(self, lane, pairs, token=None, lease_ms=60000, worker="worker-1"):
    """{delivery_id: (refusal, attempt)}; the token stays in self.token."""
    lane = lane["lane"] if isinstance(lane, dict) else lane
    self.tokens += 1
    self.token = token or self.tokens
    return {row[0]: row[1:] for row in self._verb(self.claim_sql(lane, pairs, self.token, lease_ms, worker))}

  @staticmethod
  def claim_sql(lane, pairs, token, lease_ms=60000, worker="worker-1"):
    ids, epochs = zip(*pairs)
    return (f"select delivery_id, refusal, attempt from delivery.claim('{worker}', {lane}, {token}, {lease_ms}, "
            f"{array(ids, 'bigint')}, {array(epochs, 'integer')})")

  def record(self, ids, token, status="sent", outcome="accepted", attempt=1, reason=None, waiting_for=None, wait_ms=None,
             failed=False, not_sent=False, code="250", words="ok", provider_id=None, worker="worker-1"):
    """One result for all the ids. Returns how many moved."""
    ids = list(ids)

    def all_of(value, kind):
      return array([literal(value)] * len(ids), kind)

    def once(value, kind):
      return array([literal(value)], kind)
    return int(self._verb(
      f"select delivery.record('{worker}', {array(ids, 'bigint')}, {all_of(token, 'bigint')}, {all_of(attempt, 'integer')}, "
      f"{once(status, 'delivery.delivery_status')}, {once(outcome, 'delivery.outcome_class')}, {once(code, 'text')}, "
      f"{once(words, 'text')}, {all_of(provider_id, 'text')}, {once(reason, 'text')}, {once(waiting_for, 'text')}, "
      f"{once(wait_ms, 'bigint')}, {once(failed, 'boolean')}, {once(not_sent, 'boolean')}, {all_of(5, 'integer')}, "
      f"{all_of('cafe', 'text')}, {all_of(1, 'integer')})")[0][0])

  def sweep(self, attention_ms=10000, limit=1000):
    self.psql("update delivery.run_step set swept_at = '-infinity'")
    return int(self._verb(f"select delivery.sweep({attention_ms}, {limit})")[0][0])

  def finish(self):
    return int(self._verb("select delivery.finish_runs()")[0][0])

  def recheck(self, token, ids):
    return dict(self.psql(f"select * from delivery.recheck({array([token] * len(ids), 'bigint')}, {array(ids, 'bigint')})"))

  # --- what there is ---

  def counts(self, run):
    rows = self.psql(f"select status, count(*) from delivery.delivery d join delivery.run_step rs using (run_step_id) "
                     f"where rs.campaign_run_id = {run['run']} group by 1")
    return {status: int(amount) for status, amount in rows}

  def delivery(self, delivery_id, *columns):
    row = self.psql(f"select {', '.join(columns)} from delivery.delivery where delivery_id = {delivery_id}")[0]
    return row[0] if len(columns) == 1 else row

  def age(self, seconds, where="true"):
    """As if everything had happened that much earlier."""
    self.psql(f"update delivery.delivery set planned_at = planned_at - interval '{seconds} s', "
              f"queued_at = queued_at - interval '{seconds} s', next_at = next_at - interval '{seconds} s', "
              f"lease_until = lease_until - interval '{seconds} s' where {where}")

  def _verb(self, sql):
    rows = self.psql(sql)
    different = self.psql(DIFFERENCES)
    if different:
      raise AssertionError(f"step, status, reason, deliveries, tally: {different} after {sql}")
    return rows


checks = Checks()
__all__ = ["ROOT", "Checks", "Database", "Session", "array", "checks", "literal"]
