"""fleet - the engine under a supervisor: two schedulers and three workers that are started again when they die.

    with Fleet(directory) as fleet:
      fleet.add_people(1500)
      fleet.arm(fleet.workers[0], "after_claim:kill@3")
      campaign = fleet.begin("Spring", 600)
      fleet.wait(lambda: fleet.deaths, "the worker to die")
      seconds = fleet.settle(campaign)

Nothing restarts a program but the methods that wait: they look 50 times a second, as a quick supervisor would.
"""
import os
import random
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import oracle  # noqa: E402
import private_servers  # noqa: E402
from engine import Engine, literal  # noqa: E402

# Small batches, so that a small campaign passes every point several times; short leases, so that a kill costs seconds.
SETTINGS = {
  "POSTRIDER_LEASE_MS": "3000", "POSTRIDER_ATTENTION_MS": "1000", "POSTRIDER_PREFETCH": "100",
  "POSTRIDER_CONNECTIONS": "40", "POSTRIDER_CLAIM_BATCH": "40", "POSTRIDER_RECORD_BATCH": "40",
  "POSTRIDER_LEAD_MS": "3000", "POSTRIDER_PLAN_PAGE": "100", "POSTRIDER_DISPATCH_BATCH": "100", "POSTRIDER_PUBLISH_WINDOW": "256",
}
LEASE_S = int(SETTINGS["POSTRIDER_LEASE_MS"]) / 1000
IN_FLIGHT_CAP = int(SETTINGS["POSTRIDER_PREFETCH"])  # what one worker can hold of one lane
REQUEST_LIMIT_MS = 1400                              # a request may take at most half of the lease
SLACK_MS = 1500                                      # how long a wish may take to be followed, with what is on its way
PATIENCE_S = 90
FAILPOINT = "POSTRIDER_FAILPOINT"

# Copies of messages as another scheduler would have sent them. The broker's own publish: there is no client here.
PUBLISH = """
Bodies = [%s],
[rabbit_basic:publish(rabbit_misc:r(<<"/">>, exchange, <<"postrider.jobs">>), Queue, [{delivery_mode, 2}], Body)
 || {Queue, Body} <- Bodies], ok."""


# A quorum queue may take longer than the broker allows itself when the machine is busy: then it is asked again.
EACH_QUEUE = """
Often = fun F(Ask, Left) -> case Ask() of {error, _} when Left > 0 -> timer:sleep(200), F(Ask, Left - 1); {error, Why} -> exit(Why); _ -> ok end end,
[case rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, Name)) of {ok, Q} -> Often(fun() -> %s end, 20); _ -> gone end || Name <- [%s]], ok."""
# Cancelled inside the queue and not through the channel, which therefore goes on believing in them.
FORGET_CONSUMERS = """
[ra:process_command(amqqueue:get_pid(Q), rabbit_fifo:make_checkout({element(2, C), element(1, C)}, cancel, #{}))
 || C <- rabbit_amqqueue:consumers(Q)]"""


class Fleet(Engine):
  def __init__(self, directory, env=None, schedulers=2, workers=3):
    super().__init__(directory, schedulers, workers, durable=True, env={**SETTINGS, **(env or {})})
    self.accounts = ["relay", "app"]  # a campaign goes through each of them
    self.deaths = 0
    self.frozen = {}                  # program: until when
    self.supervised = True

  def __enter__(self):
    super().__enter__()
    self.add_accounts()
    for account in self.accounts:
      self.set_account(account, timeout_ms=REQUEST_LIMIT_MS)
    for worker in self.workers:  # they learn of changed settings when they start
      self.restart(worker)
    return self

  def add_accounts(self):
    """More than the engine has: for those who inherit."""

  # --- programs ---

  def supervise(self):
    """Starts what has died, thaws what was frozen for long enough."""
    for program in self.programs() if self.supervised else ():
      if not program.running():
        self.deaths += 1
        program.env.pop(FAILPOINT, None)
        program.start()
    now = time.monotonic()
    for program in [program for program, until in self.frozen.items() if until <= now]:
      del self.frozen[program]
      program.thaw()

  def restart(self, program, failpoint=None):
    """A clean end and a new start."""
    program.thaw()
    program.term()
    program.wait()
    program.env.pop(FAILPOINT, None)
    if failpoint:
      program.env[FAILPOINT] = failpoint
    program.start()

  def arm(self, programs, failpoint):
    for program in programs:
      self.restart(program, failpoint)
    for program in programs:
      self.wait(program.ready, f"{program.name} with {failpoint} to be ready")

  def disarm(self):
    for program in self.programs():
      if FAILPOINT in program.env:
        self.restart(program)

  def freeze(self, program, seconds):
    program.freeze()
    self.frozen[program] = time.monotonic() + seconds

  def is_stopped(self, program):
    fields = private_servers._stat(program.pid) if program.running() else None
    return fields is not None and fields[0] == "T"

  def stopped(self):
    """Those that stopped themselves."""
    return [program for program in self.programs() if program not in self.frozen and self.is_stopped(program)]

  def victim(self, random):
    return random.choice(self.workers)

  def wait(self, condition, what, timeout_s=PATIENCE_S):
    """Supervises until condition() is true; returns what it returned."""
    deadline = time.monotonic() + timeout_s
    while True:
      self.supervise()
      result = condition()
      if result:
        return result
      if time.monotonic() >= deadline:
        raise TimeoutError(f"waited {timeout_s} s for {what}")
      time.sleep(0.02)

  def pause_for(self, seconds):
    until = time.monotonic() + seconds
    self.wait(lambda: time.monotonic() >= until, "time to pass", seconds + 10)

  def revive(self):
    """Back to a working fleet after whatever happened."""
    self.frozen.clear()
    self.stack.start()
    self.stack.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1GB")
    for program in self.programs():
      program.kill()
      program.env.pop(FAILPOINT, None)
      program.start()
    self.purge_queues()
    for program in self.programs():
      self.wait(program.ready, f"{program.name} to be ready again")

  # --- people and campaigns ---

  def add_people(self, count):
    """Contacts of whom a few have no address or said no, so that there is something to skip."""
    self.add_contacts(count)
    self.stack.psql("delete from marketing.contact_point where channel = 'email' and contact_id % 50 = 1")
    self.all_say_yes()
    for channel in ("email", "in_app"):
      self.add_template(f"crash {channel}", channel)

  def all_say_yes(self):
    """But for the few who never did."""
    self.stack.psql("""update marketing.consent set is_granted = not (channel = 'in_app' and contact_id % 50 = 2)
      where is_granted = (channel = 'in_app' and contact_id % 50 = 2)""")

  def begin(self, name, contacts, **columns):
    """A running campaign through all accounts to the first so many contacts. A step names its account where the channel has several."""
    campaign = int(self.stack.value(f"""
      insert into marketing.segment (name, condition) values ({literal(name)}, 'contact_id <= {contacts}');
      with made as (
        insert into marketing.campaign (name, segment_id, topic_id{"".join(f", {column}" for column in columns)})
        select name, segment_id, 1{"".join(f", {literal(value)}" for value in columns.values())}
        from marketing.segment where name = {literal(name)} returning campaign_id
      ), steps as (
        insert into marketing.step (campaign_id, position, template_id, provider_account_id)
        select campaign_id, row_number() over (order by a.provider_account_id), t.template_id, case when count(*) over (partition by a.channel) > 1
          then a.provider_account_id end
        from made, marketing.template t, delivery.provider_account a
        where t.name = 'crash ' || a.channel and a.name = any ({literal("{" + ",".join(self.accounts) + "}")})
      )
      select campaign_id from made"""))
    self.wish(campaign, "running")
    return campaign

  def is_settled(self, campaign):
    """Nothing is left to do but what only a person or the provider can decide."""
    return self.stack.value(f"""
      select coalesce(bool_and(r.ended_at is not null or (r.plan_ended_at is not null or r.close_as is not null) and l.open = 0
        and l.uncertain > 0), false)
      from delivery.campaign_run r cross join lateral (
        select coalesce(sum(t.amount) filter (where t.status in ('planned', 'queued', 'sending')), 0) as open,
               coalesce(sum(t.amount) filter (where t.status = 'uncertain'), 0) as uncertain
        from delivery.run_step rs join delivery.tally t using (run_step_id)
        where rs.campaign_run_id = r.campaign_run_id) l
      where campaign_id = {campaign}""") == "t"

  def settle(self, campaign, patience_s=PATIENCE_S):
    self.wait(lambda: self.is_settled(campaign), f"campaign {campaign} to be settled", patience_s)

  def wait_effects(self, before, share, expected):
    """Waits until a share of what a campaign should bring has reached the providers."""
    self.wait(lambda: self.sandbox.counts()["effects"] - before >= share * expected, "messages to reach the providers")

  def lanes(self):
    return [name for name, in self.stack.psql("select queue_name from delivery.lane order by 1")]

  def purge_queues(self):
    self._on_queues("rabbit_amqqueue:purge(Q)")

  def delete_queues(self):
    self._on_queues('rabbit_amqqueue:delete(Q, false, false, <<"crash test">>)')

  def forget_consumers(self):
    """The queues lose their consumers and nobody is told, as when a subscription meets the end of a deleted queue."""
    self._on_queues(FORGET_CONSUMERS)

  def _on_queues(self, doing):
    """At once for all: starting the command takes longer than what it does."""
    names = ", ".join(f'<<"{lane}">>' for lane in self.lanes())
    self.stack.rabbitmqctl("eval", EACH_QUEUE % (doing, names))

  def publish(self, messages):
    """Puts (delivery, epoch, lane, queue) on the broker, beside what the schedulers put there."""
    bodies = [f'{{<<"{queue}">>, <<"postrider/1 delivery={delivery} epoch={epoch} expires=0 lane={lane} '
              f'trace={"0" * 31}1">>}}' for delivery, epoch, lane, queue in messages]
    for start in range(0, len(bodies), 500):
      self.stack.rabbitmqctl("eval", PUBLISH % ",".join(bodies[start:start + 500]))

  # --- what came of it ---

  def reconcile(self, cancelled=None, queue_patience_s=0):
    report = oracle.reconcile(self.stack, [self.sandbox], cancelled, SLACK_MS, queue_patience_s)
    if queue_patience_s == 0:
      report.queues = {}  # the broker counts too slowly to be asked after every kill
    return report

  def forget(self):
    """Takes all campaigns and the provider's ledger away, for a new beginning on the same servers."""
    self.sandbox.clear_faults()
    self.sandbox.kill()
    for path in (self.sandbox.ledger_file, self.sandbox.callbacks_file):
      path.unlink(missing_ok=True)
    self.sandbox.start()
    self.stack.psql("""
      truncate delivery.delivery, delivery.attempt, delivery.delivery_event, delivery.tally, delivery.dead_letter,
        delivery.campaign_run, delivery.run_step, marketing.campaign, marketing.step cascade;
      delete from marketing.segment;
      update delivery.provider_account set open_until = null, paused_until = null, breaker_reason = null,
        paused_reason = null, opened_count = 0, probe_delivery_id = null, probe_until = null;""")

  def keep(self, folder):
    """Copies logs, those of the servers too, ledger and the delivery tables for a person to read."""
    os.makedirs(folder, exist_ok=True)
    self.sandbox.sync()
    servers = Path(self.stack.directory)
    for path in (*Path(self.directory).iterdir(), *servers.glob("rabbitmq/log/*"), servers / "postgres" / "log"):
      if path.suffix in (".log", ".ledger", ".callbacks"):
        shutil.copy(path, folder)
      elif path.name == "log":
        shutil.copy(path, Path(folder, "postgres.log"))
    self.keep_tables(folder, ("delivery", "attempt", "delivery_event", "tally", "lane", "lane_pulse", "dead_letter", "run_step",
                              "campaign_run"))

  def keep_tables(self, folder, tables):
    for table in tables:
      rows = self.stack.psql(f"select to_jsonb(t)::text from delivery.{table} t")
      Path(folder, f"{table}.jsonl").write_text("".join(f"{row}\n" for row, in rows), encoding="utf-8")


def seeded(*parts):
  """A generator that the same parts give the same numbers."""
  return random.Random("/".join(str(part) for part in parts))
