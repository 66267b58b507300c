"""oracle - joins what the providers took with what the database says, and finds every message that one of them lacks.

    report = oracle.reconcile(stack, [sandbox])
    print(report.table())
    for problem in report.problems(uncertain_max=0):
      print(problem)                                  # nothing is printed when the two ledgers agree

The sandbox's ledger is the truth about what went out: at a vendor that recognises repeats by a key a line with repeat 0 is
an effect, at all others every line is. The database is the truth about what we claim. What a vendor has told the receiver,
and the receiver has taken, must be what the delivery says, whatever came first or twice: ask when all of it is folded. The
join is done in the database, in one statement, so a million lines are no trouble.
"""
import json
import time

STATUSES = ("planned", "queued", "sending", "sent", "delivered", "bounced", "failed", "skipped", "cancelled", "expired",
            "held_out", "uncertain")
OPEN = ("planned", "queued", "sending")

LOAD = """
create temp table line (delivery_id bigint, delivery text, vendor text, is_keyed boolean, key text, recipient text, message text,
  body text, repeat int, at timestamptz);
copy line from stdin;
%s\\.
-- Our own inbox is the provider there. It can have no message twice.
insert into line
select m.delivery_id, m.delivery_id, 'inbox', true, '', case when m.contact_id = p.contact_id then p.address else 'somebody else' end, '',
  md5(concat_ws(chr(10), m.title, m.body, m.link, m.image, m.data)), 0, m.sent_at
from delivery.inbox_message m join delivery.delivery d using (delivery_id) join marketing.contact_point p using (contact_point_id);
analyze line;
-- Where a vendor has no place for our number, its own leads back.
update line set delivery_id = a.delivery_id from delivery.attempt a
where line.delivery_id is null and line.delivery = '' and line.message <> '' and a.provider_message_id = line.message;
create temp table told (delivery_id bigint, kind text);
copy told from stdin;
%s\\.
"""

# An effect is what a person notices. Facts about each delivery that has any, beside what the database says of it.
FACTS = """
create temp table fact as
select d.delivery_id, d.run_step_id, d.contact_id, d.occurrence, d.status, d.reason, d.expires_at, d.contact_point_id,
       rs.channel, r.campaign_id, r.ended_at, c.class, c.topic_id, c.desired_status, c.name as campaign, p.is_keyed,
       l.effects, l.repeats, l.first_at, l.last_at, l.bodies, l.keys, l.vendor, l.vendors,
       l.recipient, p.driver,
       exists (select from delivery.attempt a where a.delivery_id = d.delivery_id and a.outcome = 'uncertain')
         as was_uncertain
from delivery.delivery d
join delivery.run_step rs using (run_step_id)
join delivery.campaign_run r using (campaign_run_id)
join marketing.campaign c using (campaign_id)
join delivery.lane la on la.lane_id = coalesce(d.lane_id, rs.lane_id)
join delivery.provider_account using (provider_account_id)
join delivery.provider p using (driver)
left join (
  select delivery_id, count(*) filter (where not is_keyed or repeat = 0) as effects,
         count(*) filter (where is_keyed and repeat > 0) as repeats, min(at) as first_at, max(at) as last_at,
         count(distinct body) as bodies, count(distinct nullif(key, '')) as keys,
         count(distinct vendor) as vendors, min(vendor) as vendor, min(recipient) as recipient
  from line where delivery_id is not null group by delivery_id
) l using (delivery_id);
analyze fact;
"""

VERDICT = """
select json_build_object(
  'lines', (select count(*) from line),
  'effects', (select count(*) from line where not is_keyed or repeat = 0),
  'repeats', (select count(*) from line where is_keyed and repeat > 0),
  'vendors', (select coalesce(json_object_agg(vendor, amount), '{}') from (
      select vendor, count(*) as amount from line where not is_keyed or repeat = 0 group by 1) s),
  'wrong_vendor', (select count(*) from fact where effects > 0 and (vendors > 1 or vendor <> driver)),
  'unknown', (select count(*) from line left join fact using (delivery_id) where fact.delivery_id is null),
  'statuses', (select coalesce(json_object_agg(status, amount), '{}')
               from (select status, count(*) as amount from fact group by 1) s),
  'channels', (select coalesce(json_object_agg(channel, statuses), '{}') from (
      select channel, json_object_agg(status, amount) as statuses
      from (select channel, status, count(*) as amount from fact group by 1, 2) s group by 1) c),
  'reasons', (select coalesce(json_object_agg(what, amount), '{}') from (
      select status || ': ' || coalesce(reason, 'no reason') as what, count(*) as amount
      from fact where status not in ('planned', 'queued', 'sending', 'sent', 'delivered') group by 1) s),
  'audience', (select count(*) from fact),
  'lost', (select count(*) from fact where status in ('sent', 'delivered') and coalesce(effects, 0) = 0),
  'keyed_duplicates', (select coalesce(sum(effects - 1), 0) from fact where is_keyed and effects > 1),
  'blind_duplicates', (select coalesce(sum(effects - 1), 0) from fact where not is_keyed and effects > 1),
  'planned_twice', (select count(*) from (
      select from fact group by run_step_id, contact_id, occurrence having count(*) > 1) t),
  'told', (select count(distinct delivery_id) from told),
  'mistold', (select count(*) from fact join (
      select delivery_id, max(case kind when 'failed' then 1 when 'delivered' then 2 when 'bounced_soft' then 3 when 'bounced' then 4 end) as word
      from told group by delivery_id) t using (delivery_id)
      where status::text || coalesce(': ' || reason, '') <> (array['failed: provider_failed', 'delivered', 'bounced: bounced_soft',
        'bounced: bounced_hard'])[word]),
  'contradicted', (select count(*) from fact where effects > 0 and not was_uncertain and reason is distinct from 'provider_failed'
      and status in ('planned', 'queued', 'failed', 'skipped', 'cancelled', 'expired', 'held_out')),
  'doubtful', (select count(*) from fact where effects > 0 and was_uncertain and reason is distinct from 'provider_failed'
      and status in ('failed', 'skipped', 'cancelled', 'expired', 'held_out')),
  'uncertain_sent', (select count(*) from fact where status = 'uncertain' and effects > 0),
  'uncertain_at', (select coalesce(json_object_agg(driver, amount), '{}') from (
      select driver, count(*) as amount from fact where status = 'uncertain' and effects > 0 group by 1) s),
  'unheeded', (select count(*) from fact where status = 'uncertain' and delivery_id in (select delivery_id from told)),
  'changed_payload', (select count(*) from fact where bodies > 1) + (select count(*) from (
      select from delivery.attempt where payload_sha256 is not null
      group by delivery_id having count(distinct payload_sha256) > 1) t),
  'changed_key', (select count(*) from fact where keys > 1),
  'wrong_recipient', (select count(*) from fact join marketing.contact_point p using (contact_point_id)
      where effects > 0 and p.address ~ '^[ -!#-\\[\\]-~]+$' and lower(p.address) <> lower(recipient)),
  'after_opt_out', (select count(*) from fact f where effects > 0 and class = 'marketing' and exists (
      select from marketing.consent k where k.contact_id = f.contact_id and k.channel = f.channel and not k.is_granted
      and (k.topic_id is null or k.topic_id = f.topic_id) and k.changed_at + %(slack)s < f.last_at)),
  'after_suppression', (select count(*) from fact f join marketing.contact_point p using (contact_point_id)
      join marketing.suppression s on s.channel = p.channel and s.address = p.address
      where effects > 0 and (s.until is null or s.until > f.last_at) and s.created_at + %(slack)s < f.last_at),
  'after_expiry', (select count(*) from fact where effects > 0 and last_at > expires_at + %(slack)s),
  'after_cancel', (select count(*) from fact f join json_each_text(%(cancelled)s::json) k on k.key::bigint = f.campaign_id
      where effects > 0 and last_at > to_timestamp(k.value::float8) + %(slack)s),
  'open', (select count(*) from fact where status in ('planned', 'queued', 'sending')),
  'unended', (select count(*) from delivery.campaign_run r join marketing.campaign c using (campaign_id)
      where r.ended_at is null and c.kind = 'broadcast' and not exists (
        select from fact f where f.campaign_id = r.campaign_id and f.status in ('planned', 'queued', 'sending', 'uncertain'))),
  'tally_errors', (select count(*) from (
      select run_step_id, status, case when status in ('planned', 'queued', 'sending', 'sent') then '' else coalesce(reason, '') end
               as reason, count(*) as amount from fact group by 1, 2, 3) f
    full join (select run_step_id, status, reason, sum(amount) as amount from delivery.tally group by 1, 2, 3) t
      using (run_step_id, status, reason)
    where coalesce(f.amount, 0) <> coalesce(t.amount, 0)),
  'seconds', (select extract(epoch from max(coalesce(r.ended_at, now())) - min(r.started_at)) from delivery.campaign_run r)
)::text;
"""


class Report:
  """The counts, as attributes; statuses, channels and reasons are dicts; queues is what waits on the broker by queue."""

  def __init__(self, facts):
    for name, value in facts.items():
      setattr(self, name, value)

  def status(self, name):
    return self.statuses.get(name, 0)

  @property
  def sent(self):
    return self.status("sent") + self.status("delivered")

  @property
  def uncertain(self):
    return self.status("uncertain")

  @property
  def duplicates(self):
    return self.keyed_duplicates + self.blind_duplicates

  def problems(self, blind_duplicates_max=0, uncertain_max=None, audience=None, open_allowed=False):
    """What breaks a promise, a sentence each. audience: how many deliveries there should be; None: as many as there are."""
    rules = [
      (self.lost, "were reported as sent, but no provider has them"),
      (self.keyed_duplicates, "were accepted twice by a provider that recognises repeats"),
      (max(0, self.blind_duplicates - blind_duplicates_max),
       f"were accepted twice by a provider that does not recognise repeats, beside the {blind_duplicates_max} allowed"),
      (self.planned_twice, "were planned twice for the same contact"),
      (self.unknown, "were accepted by a provider, but nobody here knows them"),
      (self.mistold, "ended otherwise than their provider has told"),
      (self.unheeded, "are uncertain although their provider has told"),
      (self.contradicted, "were accepted by a provider, but are said not to have been sent"),
      (self.doubtful, "were perhaps accepted, are said not to have been sent, and are not reported as uncertain"),
      (self.changed_payload, "said something else when they were repeated"),
      (self.changed_key, "had another key when they were repeated"),
      (self.wrong_recipient, "went to somebody else's address"),
      (self.wrong_vendor, "went to another vendor than the account's"),
      (self.after_opt_out, "went out after the contact had said no"),
      (self.after_suppression, "went to an address after it had been suppressed"),
      (self.after_expiry, "went out after they had expired"),
      (self.after_cancel, "went out after their campaign had been cancelled"),
      (self.tally_errors, "counts of delivery.tally differ from the deliveries themselves"),
      (0 if open_allowed else self.open, "are still open"),
      (0 if open_allowed else self.unended, "runs have nothing left to do and have not ended"),
      (0 if open_allowed else sum(self.queues.values()), f"messages are still on the broker: {self.queues}"),
      (0 if uncertain_max is None else max(0, self.uncertain - uncertain_max),
       f"are uncertain, beside the {uncertain_max} allowed"),
      (0 if audience is None else abs(audience - self.audience),
       f"is the difference between the audience that was expected, {audience}, and the one there is, {self.audience}"),
    ]
    return [f"{amount} {sentence}" for amount, sentence in rules if amount]

  def table(self):
    """One line a row: what the database says, what the providers have, and what must be zero."""
    rows = [("audience", self.audience)]
    rows += [(f"  {status}", self.status(status)) for status in STATUSES if self.status(status)]
    rows += [(f"    {what}", amount) for what, amount in sorted(self.reasons.items())]
    rows += [("providers: effects", self.effects), ("  repeats recognised by key", self.repeats),
             ("  of them uncertain here", self.uncertain_sent), ("  of whose end they have told", self.told), ("lost", self.lost),
             ("duplicates, keyed", self.keyed_duplicates), ("duplicates, blind", self.blind_duplicates),
             ("unknown, contradicted, doubtful", self.unknown + self.contradicted + self.doubtful),
             ("after opt-out, suppression, cancel, expiry",
              self.after_opt_out + self.after_suppression + self.after_cancel + self.after_expiry),
             ("changed payload, key, recipient, vendor",
              self.changed_payload + self.changed_key + self.wrong_recipient + self.wrong_vendor),
             ("tally errors", self.tally_errors), ("on the broker", sum(self.queues.values()))]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {amount:>12,}" for name, amount in rows)


def reconcile(stack, sandboxes, cancelled=None, slack_ms=1000, queue_patience_s=30):
  """Compares the ledgers of the sandboxes with the stack's database and broker, and returns a Report.

  cancelled: {campaign_id: Unix time of the commit}, where a campaign was cancelled. slack_ms: how long a wish may take to
  be followed. queue_patience_s: how long messages may take to leave the broker; 0 looks once; None: asks the scheduler,
  which must run and knows at once, but not of messages that somebody holds.
  """
  queues = waiting_for_workers(stack) if queue_patience_s is None else waiting(stack, queue_patience_s)
  lines = "".join(_copy_line(entry) for sandbox in sandboxes for entry in sandbox.ledger())
  verdict = VERDICT % {"slack": f"interval '{slack_ms} milliseconds'",
                       "cancelled": "'" + json.dumps(cancelled or {}) + "'"}
  told = "".join(_copy_told(entry) for sandbox in sandboxes for entry in sandbox.told())
  facts = json.loads(stack.value(LOAD % (lines, told) + FACTS + verdict))
  return Report({**facts, "queues": queues})


def waiting(stack, patience_s=0):
  """{queue: messages} of the queues that are not empty. The broker refreshes these figures every 5 s: be patient."""
  deadline = time.monotonic() + patience_s
  while True:
    queues = {}
    for line in stack.rabbitmqctl("list_queues", "--quiet", "--no-table-headers", "name", "messages").splitlines():
      name, _, amount = line.rpartition("\t")
      if name and int(amount):
        queues[name] = int(amount)
    if not queues or time.monotonic() >= deadline:
      return queues
    time.sleep(0.5)


def waiting_for_workers(stack, patience_s=10):
  """The same by the scheduler's measurements."""
  deadline = time.monotonic() + patience_s
  while True:
    lanes = stack.psql("select queue_name, ready_count from report.lane where ready_count > 0 or measured_at < now() - interval '5 s'")
    queues = {name: int(amount or 0) for name, amount in lanes}
    if not queues or time.monotonic() >= deadline:
      return queues
    time.sleep(0.1)


def _copy_line(entry):
  delivery = entry.get("delivery") or ""
  number = delivery if delivery.isascii() and delivery.isdigit() and len(delivery) < 19 else None
  at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(entry["at_ms"] // 1000)) + f".{entry['at_ms'] % 1000:03d}+00"
  values = (number, delivery, entry["vendor"], "t" if entry["keyed"] else "f", entry["key"], entry["recipient"],
            entry.get("message", ""), entry.get("body_sha256"), str(entry["repeat"]), at)
  return "\t".join("\\N" if value is None else _escape(value) for value in values) + "\n"


def _copy_told(entry):
  """What the receiver has taken. The forged ones it must not have believed."""
  if entry["forged"] or not 200 <= entry["status"] < 300:
    return ""
  return "".join(f"{event['delivery']}\t{event['event']}\n" for event in entry["events"] if event["delivery"].isdigit())


def _escape(text):
  for plain, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "")):
    text = text.replace(plain, escaped)
  return text
