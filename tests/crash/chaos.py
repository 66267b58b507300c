"""chaos - a random schedule of faults and wishes, all of it decided by the seed before the first one happens.

Whatever the schedule did, in the end everything is healed, every campaign must come to its end, and the ledgers must agree.
What people wished for must have been followed: nothing to a campaign while it was paused, after it was cancelled, to
somebody who had said no, or to an address of which a provider had said that it does not exist, a moment after that was committed.
Campaigns go through a webhook, a relay and two vendors, of which all but the relay call back, in disorder and with forged ones
between, all the time.
"""
import json
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

from fleet import SLACK_MS, seeded
from vendors import VendorFleet

PEOPLE = 2000
ACCOUNTS = ("app", "relay", "twilio", "sendgrid")
# So few bounce that there is somebody left to write to.
PLAN = [{"event": "sent", "delay_ms": [0, 500]}, {"event": "delivered", "share": 0.9, "delay_ms": [0, 1500]},
        {"event": "bounced", "share": 0.005}, {"event": "bounced_soft", "share": 0.03}, {"event": "failed", "share": 0.03}]
HEAL_PATIENCE_S = 300
AFTER_THAW_S = 1.0   # what a stopped worker had begun goes out when it wakes up

# action: how often, beside the others
WEIGHTS = {
  "campaign": 30, "kill": 14, "freeze": 10, "terminate": 6, "drop_sessions": 4, "drop_connections": 3, "purge": 3,
  "delete_queues": 1, "restart_database": 2, "kill_database": 2, "restart_broker": 1, "kill_broker": 1, "alarm": 2,
  "pause": 8, "resume": 10, "cancel": 3, "opt_out": 8, "latency": 5, "faults": 4, "no_faults": 5,
}
NOT_THERE = "noproc"  # the broker's word for a queue or connection that is just coming or going, by an earlier fault
FAULTS = ({"fault": "accept_then_reset"}, {"fault": "reset_after_body"}, {"fault": "status", "status": 503},
          {"fault": "status", "status": 451}, {"fault": "garbage"}, {"fault": "slow", "latency_ms": 1200})


def schedule(minutes, seed):
  """[(seconds, action, number)], number being what the action chooses by."""
  numbers = seeded("chaos", seed)
  actions, weights = zip(*WEIGHTS.items())
  at, events = 0.0, []
  while at < minutes * 60:
    events.append((at, numbers.choices(actions, weights)[0] if events else "campaign", numbers.randrange(1 << 30)))
    at += numbers.expovariate(1 / 0.7)
  return events


class Chaos:
  def __init__(self, fleet):
    self.fleet = fleet
    self.campaigns = []
    self.silences = []             # [campaign, from, until]: paused or cancelled
    self.refusals = {}             # contact: when they said no
    self.freezes = []              # (from, until)
    self.done = Counter()

  # --- programs and servers ---

  def program(self, number):
    programs = self.fleet.programs()
    return programs[number % len(programs)]

  def kill(self, number):
    self.program(number).kill()

  def terminate(self, number):
    self.program(number).term()

  def freeze(self, number):
    program, seconds = self.program(number), 1 + number // 8 % 70 / 10
    if program in self.fleet.frozen:
      return
    self.fleet.freeze(program, seconds)
    self.freezes.append((time.time(), time.time() + seconds))

  def drop_sessions(self, _):
    self.fleet.stack.psql("""select pg_terminate_backend(pid) from pg_stat_activity
      where application_name like 'postrider-%' and pid <> pg_backend_pid()""")

  def drop_connections(self, _):
    self.fleet.stack.rabbitmqctl("close_all_connections", "crash test")

  def purge(self, _):
    self.fleet.purge_queues()

  def delete_queues(self, _):
    self.fleet.delete_queues()

  def restart_database(self, _):
    self.fleet.stack.restart_postgres()

  def kill_database(self, number):
    self.fleet.stack.kill_postgres()
    self.fleet.pause_for(number % 40 / 10)
    self.fleet.stack.start_postgres()

  def restart_broker(self, _):
    self.fleet.stack.restart_rabbitmq()

  def kill_broker(self, number):
    self.fleet.stack.kill_rabbitmq()
    self.fleet.pause_for(number % 40 / 10)
    self.fleet.stack.start_rabbitmq()

  def alarm(self, number):
    self.fleet.stack.rabbitmqctl("set_vm_memory_high_watermark", "0.00001")
    self.fleet.pause_for(1 + number % 20 / 10)
    self.fleet.stack.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1GB")

  # --- providers ---

  def latency(self, number):
    self.fleet.sandbox.latency((5, 20, 60, 200, 400)[number % 5])

  def faults(self, number):
    for protocol in ("http", "smtp"):
      self.fleet.sandbox.add_fault(protocol=protocol, share=0.03, **FAULTS[number % len(FAULTS)])
    self.fleet.sandbox.add_fault(protocol="http", fault="close_on_reuse", share=0.02, accept=True)

  def no_faults(self, _):
    self.fleet.sandbox.clear_faults()

  # --- people ---

  def campaign(self, number):
    contacts = 100 + number % 650
    self.campaigns.append(self.fleet.begin(f"Chaos {len(self.campaigns)}", contacts, attempts_max=10,
                                           on_uncertain=("skip", "resend")[number // 2 % 2], weight=1 + number % 3))

  def wish(self, number, wished, once):
    """The wish, if it makes sense for the campaign that the number chooses. Returns the campaign."""
    if not self.campaigns:
      return None
    campaign = self.campaigns[-1 - number % min(6, len(self.campaigns))]
    found = self.fleet.stack.psql(f"""update marketing.campaign set desired_status = '{wished}'
      where campaign_id = {campaign} and desired_status in ({once}) and actual_status in ('running', 'paused')
      returning campaign_id""")
    return campaign if found else None

  def pause(self, number):
    campaign = self.wish(number, "paused", "'running'")
    if campaign:
      self.silences.append([campaign, time.time(), float("inf")])

  def resume(self, number):
    before = time.time()
    campaign = self.wish(number, "running", "'paused'")
    self.end_silence(campaign, before)

  def end_silence(self, campaign, at):
    for silence in self.silences:
      if silence[0] == campaign and silence[2] == float("inf"):
        silence[2] = at

  def cancel(self, number):
    campaign = self.wish(number, "cancelled", "'running', 'paused'")
    if campaign:
      self.silences.append([campaign, time.time(), float("inf")])

  def opt_out(self, number):
    people = seeded("opt out", number).sample(range(1, PEOPLE + 1), 20)
    self.fleet.stack.psql(f"""update marketing.consent set is_granted = false, changed_at = clock_timestamp()
      where topic_id = 1 and is_granted and contact_id = any ('{{{",".join(map(str, people))}}}')""")
    for contact in people:
      self.refusals.setdefault(contact, time.time())

  # --- the whole ---

  def run(self, events):
    started = time.monotonic()
    for at, action, number in events:
      self.fleet.wait(lambda: time.monotonic() - started >= at, "the next event", 3600)
      try:
        getattr(self, action)(number)
        self.done[action] += 1
      except RuntimeError as error:
        if NOT_THERE not in str(error):
          raise
        self.done[f"{action} passed over"] += 1

  def heal(self):
    """Everything works again and everybody wants everything; then it must come to an end by itself."""
    fleet = self.fleet
    fleet.stack.start()
    fleet.stack.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1GB")
    fleet.sandbox.clear_faults()
    fleet.sandbox.latency(5)
    before = time.time()
    for campaign, in fleet.stack.psql("""update marketing.campaign set desired_status = 'running'
        where desired_status = 'paused' and actual_status in ('running', 'paused') returning campaign_id"""):
      self.end_silence(int(campaign), before)
    fleet.wait(lambda: not fleet.frozen, "the zombies to wake up")
    started = time.monotonic()
    for campaign in self.campaigns:
      fleet.settle(campaign, HEAL_PATIENCE_S)
    return time.monotonic() - started

  def problems(self):
    report = self.fleet.reconcile(queue_patience_s=60)
    report.after_opt_out = report.after_cancel = report.after_suppression = 0  # looked at below, with what a stopped worker may still send
    found = report.problems(blind_duplicates_max=report.blind_duplicates)
    facts = {delivery: (int(campaign), int(contact), policy, int(doubts), float(suppressed or "inf"))
             for delivery, campaign, contact, policy, doubts, suppressed in self.fleet.stack.psql("""
      select d.delivery_id, r.campaign_id, d.contact_id, c.on_uncertain,
             (select count(*) from delivery.attempt a where a.delivery_id = d.delivery_id and (a.outcome = 'uncertain' or a.is_late)),
             (select extract(epoch from s.created_at) from marketing.contact_point p
              join marketing.suppression s on s.channel = p.channel and s.address = p.address
              where p.contact_point_id = d.contact_point_id)
      from delivery.delivery d join delivery.run_step using (run_step_id) join delivery.campaign_run r using (campaign_run_id)
      join marketing.campaign c using (campaign_id)""")}
    return report, found + self.fleet.broken_words(report, impatient=ACCOUNTS) + self.blind_twice(facts) + self.against_wishes(facts)

  def blind_twice(self, facts):
    """Who knows no repeats may see a message once, and once more for every attempt in doubt where the owner chose to send again."""
    lines = Counter(line["delivery"] for line in self.fleet.sandbox.ledger() if not line["keyed"])
    wrong = [delivery for delivery, count in lines.items() if delivery in facts
             and count > 1 + (facts[delivery][3] if facts[delivery][2] == "resend" else 0)]
    return [f"{len(wrong)} were accepted by a blind provider more often than their attempts in doubt explain: {wrong[:5]}"] if wrong else []

  def against_wishes(self, facts):
    slack = SLACK_MS / 1000
    silences = defaultdict(list)
    for campaign, start, until in self.silences:
      silences[campaign].append((start + slack, until))
    wrong = Counter()
    for line in self.fleet.sandbox.ledger():
      campaign, contact, _, _, suppressed = facts.get(line["delivery"], (0, 0, "", 0, float("inf")))
      at = line["at_ms"] / 1000
      if any(end - 0.2 <= at <= end + AFTER_THAW_S for _, end in self.freezes):
        continue
      if any(start < at < until for start, until in silences[campaign]):
        wrong["went out although their campaign was paused or cancelled"] += 1
      if at > self.refusals.get(contact, float("inf")) + slack:
        wrong["went out although the contact had said no"] += 1
      if at > suppressed + slack:
        wrong["went out although the provider had said that there is no such address"] += 1
    return [f"{count} {what}" for what, count in wrong.items()]


def run_chaos(minutes, seed, keep, as_json):
  events = schedule(minutes, seed)
  with tempfile.TemporaryDirectory(prefix="postrider-chaos-") as folder, VendorFleet(folder, ACCOUNTS) as fleet:
    fleet.add_people(PEOPLE)
    fleet.order_callbacks(plan=PLAN)
    chaos = Chaos(fleet)
    report, seconds = None, 0.0
    try:
      chaos.run(events)
      seconds = chaos.heal()
      report, found = chaos.problems()
    except (TimeoutError, RuntimeError) as error:
      found = [f"{type(error).__name__}: {error}"]
    print(", ".join(f"{count} {action}" for action, count in sorted(chaos.done.items())))
    if report:
      print(report.table())
      print(f"healed in {seconds:.0f} s, {fleet.deaths} programs started again, {len(chaos.campaigns)} campaigns")
    if found:
      fleet.keep(Path(keep) / f"chaos-seed-{seed}")
      print(f"FAILED, seed {seed}:", *found, f"kept in {Path(keep) / f'chaos-seed-{seed}'}", sep="\n  ")
    if as_json:
      print(json.dumps({"seed": seed, "minutes": minutes, "events": dict(chaos.done), "problems": found}))
  return 1 if found else 0
