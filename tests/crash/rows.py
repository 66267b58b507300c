"""rows - the crash table: every fault that is provoked, one row each.

A row either arms a failpoint (the victim kills or stops itself at that line, on a pass that the seed chooses) or does
something to the outside (act) when a share of the campaign has reached the providers. `points` names the rows of
the crash table in README.md that it stands for.
"""
import time
from dataclasses import dataclass
from typing import Callable, Optional

from fleet import IN_FLIGHT_CAP, LEASE_S, SLACK_MS
from vendors import BLIND


@dataclass(frozen=True)
class Row:
  name: str
  points: str                              # rows of the crash table
  sentence: str
  victims: str = ""                        # worker: one of them; schedulers, receivers: all, the first to come there falls
  failpoint: str = ""
  passes: tuple = (1, 1)                   # the failpoint acts on a pass between these, both included
  action: str = "kill"                     # or stop, or sleep=500
  stopped_s: float = 0                     # how long a stopped victim stays so
  act: Optional[Callable] = None           # act(world): what is done to the outside
  share: tuple = (0.05, 0.5)               # of the messages have gone out when it is done
  contacts: int = 600
  latency_ms: int = 60
  on_uncertain: str = "skip"
  columns: Optional[dict] = None           # further columns of the campaign
  callbacks: Optional[dict] = None         # receivers, and vendors that tell them; what is changed in their order
  proof: Optional[Callable] = None         # proof(world): whether the fault has really met the callbacks
  blind_duplicates_max: Callable = lambda world: 0


@dataclass
class World:
  """What an act may touch."""
  fleet: object
  row: Row
  random: object
  campaign: int
  effects_before: int = 0
  cancelled: Optional[dict] = None
  doubts: int = 0                          # faults of the provider that leave an attempt in doubt
  told_before: Optional[dict] = None       # counts of callbacks


def dead_workers_load(world):
  return IN_FLIGHT_CAP


def doubts(world):
  return world.doubts


def doubts_of_dead_worker(world):
  """What its campaign has on record as in doubt, and no more than a worker can hold of every blind lane."""
  found = world.fleet.stack.value(f"""
    select count(*) from delivery.attempt a join delivery.delivery using (delivery_id) join delivery.run_step rs using (run_step_id)
    join delivery.campaign_run r using (campaign_run_id)
    where r.campaign_id = {world.campaign} and rs.channel <> 'in_app' and a.outcome = 'uncertain'""")
  return min(int(found), IN_FLIGHT_CAP * len(BLIND))


# --- whether callbacks were met ---

def callbacks_failed(world):
  """A vendor told in vain, and told again."""
  return world.fleet.unanswered() > world.told_before["unanswered"]


def callbacks_disordered(world):
  return all(world.fleet.sum(name) > world.told_before[name] for name in ("early", "twice", "late", "forged"))


def callbacks_decided(world):
  """Somebody's fate was known to nobody but the vendor."""
  return world.fleet.settled_by_word(world.campaign) > 0


# --- what is done to the outside ---

def kill_worker(world):
  world.fleet.victim(world.random).kill()


def freeze_worker(world):
  world.fleet.freeze(world.fleet.victim(world.random), 2 * LEASE_S)


def terminate_worker(world):
  world.fleet.victim(world.random).term()


def terminate_scheduler(world):
  world.random.choice(world.fleet.schedulers).term()


def kill_both_schedulers(world):
  for scheduler in world.fleet.schedulers:
    scheduler.kill()


def kill_broker(world):
  world.fleet.stack.kill_rabbitmq()
  world.fleet.supervise()
  world.fleet.stack.start_rabbitmq()


def restart_broker(world):
  world.fleet.stack.restart_rabbitmq()


def empty_broker(world):
  world.fleet.purge_queues()


def delete_queues(world):
  world.fleet.delete_queues()


def forget_consumers(world):
  world.fleet.forget_consumers()


def drop_broker_connections(world):
  world.fleet.stack.rabbitmqctl("close_all_connections", "crash test")


def raise_alarm(world):
  world.fleet.stack.rabbitmqctl("set_vm_memory_high_watermark", "0.00001")
  world.fleet.pause_for(3)
  world.fleet.stack.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1GB")


def kill_database(world):
  world.fleet.stack.kill_postgres()
  world.fleet.supervise()
  world.fleet.stack.start_postgres()


def restart_database(world):
  world.fleet.stack.restart_postgres()


def take_database_away(world):
  """Killed or restarted, while callbacks come."""
  world.random.choice((kill_database, restart_database))(world)


def freeze_receivers(world):
  """For longer than anything else here lasts; the vendors' requests wait for them."""
  fleet = world.fleet
  for receiver in fleet.receivers:
    fleet.freeze(receiver, 2 * LEASE_S)
  fleet.wait(lambda: fleet.waiting() >= 20, "callbacks that nobody takes")
  fleet.wait(lambda: not fleet.frozen, "the receivers to wake up")


def nothing(_):
  """The callbacks themselves are the fault."""


def drop_database_sessions(world):
  for _ in range(3):
    world.fleet.stack.psql("""select pg_terminate_backend(pid) from pg_stat_activity
      where application_name like 'postrider-%' and pid <> pg_backend_pid()""")
    world.fleet.pause_for(0.3)


def deliveries_of(world):
  return world.fleet.stack.psql(f"""
    select d.delivery_id, d.epoch, l.lane_id, l.queue_name from delivery.delivery d
    join delivery.run_step rs using (run_step_id) join delivery.campaign_run using (campaign_run_id)
    join delivery.lane l on l.lane_id = d.lane_id where campaign_id = {world.campaign} and d.epoch > 0""")


def copy_messages(world):
  """Every message once more, while the first ones are still on their way and after they have been sent."""
  for _ in range(2):
    world.fleet.publish(deliveries_of(world))


def dispatch_again(world):
  """As if the sweeper had taken for lost what only waits: two messages for each, of which the older is stale."""
  world.fleet.stack.psql(f"""
    with moved as (
      update delivery.delivery d set status = 'planned', next_at = now()
      from delivery.run_step rs join delivery.campaign_run r using (campaign_run_id)
      where d.run_step_id = rs.run_step_id and campaign_id = {world.campaign} and d.status = 'queued'
      returning d.run_step_id
    ), counted as (select array_agg(run_step_id) as steps, array_agg(amount) as amounts
                   from (select run_step_id, count(*) as amount from moved group by 1) g)
    select delivery.count_change(steps, amounts, 'queued', '', 'planned', '') from counted where steps is not null""")


def opt_out(world):
  """Random people say no while their messages are on the broker or with a worker."""
  people = world.random.sample(range(1, world.row.contacts + 1), 60)
  world.fleet.stack.psql(f"""update marketing.consent set is_granted = false, changed_at = clock_timestamp()
    where topic_id = 1 and is_granted and contact_id = any ('{{{",".join(map(str, people))}}}')""")


def pause(world):
  """Nothing goes out from a moment after the wish until the campaign is resumed."""
  fleet = world.fleet
  fleet.wish(world.campaign, "paused")
  fleet.pause_for(SLACK_MS / 1000)
  quiet = fleet.sandbox.counts()["accepted"]
  fleet.pause_for(2)
  late = fleet.sandbox.counts()["accepted"] - quiet
  fleet.wish(world.campaign, "running")
  if late:
    raise AssertionError(f"{late} messages went out while the campaign was paused")


def cancel(world):
  world.cancelled = {world.campaign: world.fleet.wish(world.campaign, "cancelled")}


def close_on_reuse(world):
  """The provider takes a request on a connection used before and closes without a word: libcurl would send it again."""
  world.fleet.sandbox.add_fault(protocol="http", fault="close_on_reuse", share=0.05, accept=True)
  wait_faults(world, 10)


def lose_answers(world):
  """The provider takes the message and the connection breaks before the answer."""
  for protocol in ("http", "smtp"):
    world.fleet.sandbox.add_fault(protocol=protocol, fault="accept_then_reset", share=0.05)
  wait_faults(world, 20)


def lose_vendor_answers(world):
  world.fleet.sandbox.add_fault(protocol="http", fault="accept_then_reset", share=0.1)
  wait_faults(world, 20)


def wait_faults(world, times):
  def fired():
    faults = world.fleet.sandbox.faults()
    faults = faults.get("faults", faults) if isinstance(faults, dict) else faults
    world.doubts = sum(fault["fired"] for fault in faults)
    return world.doubts >= times or world.fleet.is_settled(world.campaign)
  world.fleet.wait(fired, "the faults to fire")
  world.fleet.sandbox.clear_faults()


SCHEDULER = dict(victims="schedulers", latency_ms=20)
WORKER = dict(victims="worker")
SLOW = dict(contacts=1200, latency_ms=200)
RECEIVER = dict(victims="receivers", contacts=60, latency_ms=20, callbacks={}, proof=callbacks_failed)
VENDORS = dict(contacts=100, callbacks={})
# Half of what is told comes when the lease of a dead worker has run out, half before.
SLOWLY = dict(contacts=100, latency_ms=400, callbacks={"late": 0.5, "late_ms": 5000}, proof=callbacks_decided)

ROWS = [
  Row("plan_before_commit", "1", "a scheduler dies before a page of the audience is committed",
      failpoint="before_plan_commit", passes=(1, 3), **SCHEDULER),
  Row("plan_after_commit", "2", "a scheduler dies between two pages of the audience",
      failpoint="after_plan_commit", passes=(1, 3), **SCHEDULER),
  Row("plan_twice", "3", "two schedulers plan the same pages",
      failpoint="before_plan_commit", passes=(1, 3), action="sleep=700", **SCHEDULER),
  Row("dispatch_after_commit", "4", "a scheduler dies with deliveries marked as queued and not published",
      failpoint="after_dispatch_commit", passes=(1, 4), **SCHEDULER),
  Row("publish_before", "4", "a scheduler dies with messages in its buffer",
      failpoint="before_publish", passes=(1, 4), **SCHEDULER),
  Row("publish_after", "5", "a scheduler dies before the broker has confirmed",
      failpoint="after_publish", passes=(1, 4), **SCHEDULER),
  Row("schedulers_killed", "1-5", "both schedulers die at a random moment",
      act=kill_both_schedulers, share=(0.0, 0.4)),
  Row("scheduler_terminated", "-", "a scheduler leaves on SIGTERM", act=terminate_scheduler, share=(0.0, 0.4)),
  Row("queue_deleted", "6", "the queues are deleted under schedulers and workers", act=delete_queues, **SLOW),
  Row("broker_killed", "7", "the broker is killed and comes back", act=kill_broker, **SLOW),
  Row("broker_restarted", "7", "the broker is restarted", act=restart_broker, **SLOW),
  Row("broker_emptied", "7", "all messages on the broker are thrown away", act=empty_broker, **SLOW),
  Row("broker_disconnects", "7", "the broker closes all connections", act=drop_broker_connections, **SLOW),
  Row("broker_forgets", "7", "the queues forget their consumers without a word", act=forget_consumers, **SLOW),
  Row("broker_blocked", "8", "a memory alarm blocks publishing for three seconds", act=raise_alarm, share=(0.0, 0.2), **SLOW),
  Row("worker_after_receive", "9", "a worker dies with messages that it has not claimed",
      failpoint="after_receive", passes=(1, 4), **WORKER),
  Row("worker_before_claim", "9", "a worker dies when it is about to claim",
      failpoint="before_claim", passes=(1, 4), **WORKER),
  Row("worker_after_claim", "10", "a worker dies when its claim is committed",
      failpoint="after_claim", passes=(1, 4), **WORKER),
  Row("worker_in_fence", "10", "a worker dies right before the first byte of a request",
      failpoint="fence", passes=(1, 100), **WORKER),
  Row("worker_before_request", "10", "a worker dies in the callback before the request is written",
      failpoint="before_request", passes=(1, 100), **WORKER),
  Row("worker_mid_request", "11", "a worker is killed while providers work on its requests",
      act=kill_worker, latency_ms=400),
  Row("worker_mid_request_resend", "11", "the same, and the campaign says: in doubt, send again",
      act=kill_worker, latency_ms=400, on_uncertain="resend", blind_duplicates_max=dead_workers_load),
  Row("worker_after_answer", "12", "a worker dies with an answer that it has not looked at",
      failpoint="after_answer", passes=(1, 100), **WORKER),
  Row("worker_before_record", "12", "a worker dies with results that it has not recorded",
      failpoint="before_record", passes=(1, 4), **WORKER),
  Row("worker_before_record_resend", "12", "the same, and the campaign says: in doubt, send again",
      failpoint="before_record", passes=(1, 4), on_uncertain="resend", blind_duplicates_max=dead_workers_load, **WORKER),
  Row("worker_after_record", "13", "a worker dies when its results are committed and not acknowledged",
      failpoint="after_record", passes=(1, 4), **WORKER),
  Row("worker_after_ack", "14", "a worker dies when it has acknowledged",
      failpoint="after_ack", passes=(1, 4), **WORKER),
  Row("worker_terminated", "-", "a worker drains on SIGTERM", act=terminate_worker),
  Row("zombie_before_request", "15", "a worker stops in the fence for longer than its lease and wakes up",
      failpoint="fence", passes=(1, 100), action="stop", stopped_s=2 * LEASE_S, **WORKER),
  Row("zombie_after_answer", "16", "a worker stops with an answer for longer than its lease and wakes up",
      failpoint="after_answer", passes=(1, 100), action="stop", stopped_s=2 * LEASE_S, **WORKER),
  Row("zombie_mid_request", "16", "a worker is stopped with requests under way for longer than its lease",
      act=freeze_worker, latency_ms=400),
  Row("zombie_mid_request_resend", "16", "the same, and the campaign says: in doubt, send again",
      act=freeze_worker, latency_ms=400, on_uncertain="resend", blind_duplicates_max=dead_workers_load),
  Row("hidden_retry", "17", "the provider closes reused connections after it has taken the request", act=close_on_reuse),
  Row("answer_lost", "11", "the provider takes the message and the answer is lost", act=lose_answers),
  Row("answer_lost_resend", "11", "the same, and the campaign says: in doubt, send again",
      act=lose_answers, on_uncertain="resend", blind_duplicates_max=doubts),
  Row("database_killed", "18", "PostgreSQL is killed and comes back", act=kill_database, **SLOW),
  Row("database_restarted", "18", "PostgreSQL is restarted", act=restart_database, **SLOW),
  Row("database_disconnects", "18", "PostgreSQL ends the sessions of all programs, three times",
      act=drop_database_sessions, **SLOW),
  Row("messages_copied", "5", "every message is on the broker several times", act=copy_messages, **SLOW),
  Row("messages_late", "5", "what waits on the broker is dispatched once more", act=dispatch_again, **SLOW),
  Row("opt_out", "23", "people say no while their messages are on their way", act=opt_out, **SLOW),
  Row("pause", "23", "a campaign is paused and resumed", act=pause, **SLOW),
  Row("cancel", "23", "a campaign is cancelled", act=cancel, **SLOW),
  Row("receiver_before_keep", "21", "a receiver dies with callbacks that it has not kept",
      failpoint="before_keep", passes=(1, 20), **RECEIVER),
  Row("receiver_after_keep", "21, 22", "a receiver dies when callbacks are kept and not answered",
      failpoint="after_keep", passes=(1, 20), **RECEIVER),
  Row("receiver_stopped", "21", "the receivers stand still while a campaign goes out", act=freeze_receivers, **VENDORS),
  Row("callbacks_database", "18, 21", "PostgreSQL is killed or restarted while callbacks come",
      act=take_database_away, proof=callbacks_failed, latency_ms=200, **VENDORS),
  Row("callbacks_disordered", "21, 22", "callbacks come before the answer, twice, late, in the wrong order and forged",
      act=nothing, proof=callbacks_disordered, contacts=100,
      callbacks={"early": 0.3, "twice": 0.4, "late": 0.3, "late_ms": 1000, "forged": 0.4}),
  Row("callbacks_worker_killed", "11, 21", "a worker is killed while eight providers work on its requests; four of them tell",
      act=kill_worker, **SLOWLY),
  Row("callbacks_worker_killed_resend", "11, 21", "the same, and the campaign says: in doubt, send again",
      act=kill_worker, on_uncertain="resend", blind_duplicates_max=doubts_of_dead_worker, **SLOWLY),
  Row("callbacks_answer_lost", "11, 21", "the vendors take messages, the answers are lost, and they tell later",
      act=lose_vendor_answers, **SLOWLY),
]


# --- one kill ---

def strike(world):
  """Lets the fault happen. False: the campaign was over before."""
  fleet, row = world.fleet, world.row
  if row.act:
    expected = len(fleet.accounts) * row.contacts * 0.98
    fleet.wait_effects(world.effects_before, world.random.uniform(*row.share), expected)
    row.act(world)
    return True
  if row.action == "kill":
    fleet.wait(lambda: fleet.deaths or fleet.is_settled(world.campaign), "the victim to die")
    return fleet.deaths > 0
  if row.action == "stop":
    fleet.wait(lambda: fleet.stopped() or fleet.is_settled(world.campaign), "the victim to stop")
    for program in fleet.stopped():
      fleet.freeze(program, row.stopped_s)
    return bool(fleet.frozen)
  return True


def arm(fleet, row, random, first_pass):
  if not row.failpoint:
    return
  programs = {"schedulers": fleet.schedulers, "receivers": fleet.receivers}.get(row.victims) or [fleet.victim(random)]
  number = 1 if first_pass else random.randint(*row.passes)
  fleet.arm(programs, f"{row.failpoint}:{row.action}@{number}")


def count_told(fleet):
  return {"unanswered": fleet.unanswered(), **{name: fleet.sum(name) for name in ("early", "twice", "late", "forged")}}


def run_once(fleet, row, random, name, first_pass=False):
  """One campaign with the fault in it. Returns (world, seconds from the fault to the end), or None when it was missed."""
  fleet.deaths = 0
  fleet.all_say_yes()
  fleet.sandbox.latency(row.latency_ms)
  arm(fleet, row, random, first_pass)
  before = fleet.sandbox.counts()["effects"]
  told_before = count_told(fleet) if row.callbacks is not None else None
  campaign = fleet.begin(name, row.contacts, on_uncertain=row.on_uncertain, **(row.columns or {}))
  world = World(fleet, row, random, campaign, before, told_before=told_before)
  hit = strike(world)
  struck_at = time.monotonic()
  fleet.settle(campaign)
  seconds = time.monotonic() - struck_at
  # A zombie must have had its say, and so must what it left on the way.
  fleet.wait(lambda: not fleet.frozen, "the zombies to wake up")
  if row.stopped_s or row.act is freeze_worker:
    fleet.pause_for(1.5)
    fleet.settle(campaign)  # what they had not begun is sent after all
  fleet.disarm()
  return (world, seconds) if hit and (not row.proof or row.proof(world)) else None


def by_names(names):
  known = {row.name: row for row in ROWS}
  missing = [name for name in names if name not in known]
  if missing:
    raise KeyError(f"there is no row {', '.join(missing)}; see --list")
  return [known[name] for name in names] or ROWS

