"""vendors - a fleet with receivers, whose providers tell it what became of the messages.

    with VendorFleet(directory, ALL) as fleet:
      fleet.add_people(100)
      fleet.order_callbacks(early=0.2, forged=0.1)
      campaign = fleet.begin("Spring", 100)
      fleet.settle(campaign)              # and everything that the vendors had to tell is told and folded

Accounts share the receivers, so that two of them fold at a time. The sandbox forgets its orders when it is started again: forget()
gives them anew.
"""
import json

from engine import CALLBACK_SECRET, PUBLIC_URL, WEBHOOK_SECRET, literal
from fleet import PATIENCE_S, Fleet

ALL = ("app", "inbox", "twilio", "mandrill", "sendgrid", "fcm", "apns", "webpush")
TELLING = {"app": "webhook", "twilio": "twilio", "mandrill": "mandrill", "sendgrid": "sendgrid"}
BLIND = ("twilio", "mandrill", "sendgrid", "fcm", "apns", "webpush")
IMPATIENT = ("twilio",)   # after five times in three seconds; the others' patience is longer than the fault of any row

# Everybody is told of at least once, and of a quarter no more than that the message is sent. No complaints and no unsubscriptions:
# they count from when they were said, which may be long before anybody here can know.
PLAN = [{"event": "sent", "delay_ms": [0, 300]}, {"event": "delivered", "share": 0.7, "delay_ms": [0, 300]},
        {"event": "bounced", "share": 0.03}, {"event": "bounced_soft", "share": 0.03}, {"event": "failed", "share": 0.03}]
OPENED = [{"event": "opened", "share": 0.3, "delay_ms": [0, 100]}]
DISORDER = {"early": 0.1, "twice": 0.15, "late": 0.1, "late_ms": 1500, "forged": 0.1, "out_of_order": True, "retry_ms": 100, "seed": 1}
TABLES = ("callback_inbox", "callback_event", "callback_todo", "callback_orphan", "inbox_message")


class VendorFleet(Fleet):
  def __init__(self, directory, accounts, receivers=2):
    super().__init__(directory, env={"POSTRIDER_PUBLIC_URL": PUBLIC_URL})
    self.accounts = list(accounts)
    self.receivers_wanted = receivers
    self.order = {}

  def add_accounts(self):
    for _ in range(self.receivers_wanted):
      self.add_receiver()
    keys = {account: order["public_key"] for account, order in self.order_callbacks().items() if "public_key" in order}
    for account in self.accounts:
      if account not in ("relay", "app"):
        self.add_vendor(account, **({"webhook_public_key": keys[account]} if account in keys else {}),
                        **({"callback_overrides": "rc=5&rp=all"} if account == "twilio" else {}))
    self.stack.psql("update delivery.provider_account set soft_bounces_max = 1000")
    for receiver in self.receivers:
      self.wait(receiver.ready, "a receiver to be ready")

  def order_callbacks(self, **change):
    """Disordered ones as a rule. Returns {account: the order}."""
    self.order, made = change, {}
    secrets = {"twilio": self.sandbox.accounts()["twilio"]["token"], "app": WEBHOOK_SECRET}
    for number, account in enumerate(account for account in self.accounts if account in TELLING):
      port = self.receivers[number % len(self.receivers)].callback_port
      plan = PLAN + ([] if account == "twilio" else OPENED)
      made[account] = self.sandbox.order_callbacks(
        account, TELLING[account], f"http://127.0.0.1:{port}/callbacks/{account}", public_url=f"{PUBLIC_URL}/callbacks/{account}",
        secret=secrets.get(account, CALLBACK_SECRET), **{"plan": plan, **DISORDER, **change})
    return made

  # --- people ---

  def add_people(self, count):
    """With a telephone, a browser, and a device that either push service takes for one of its own (not of 64 digits: those are
    Apple's alone)."""
    super().add_people(count)
    browsers = json.dumps([json.dumps(one) for one in self.sandbox.subscriptions(count)])
    self.stack.psql(f"""
      insert into marketing.contact_point (contact_id, channel, address)
      select n, channel, case channel when 'sms' then '+371' || 20000000 + n else 'a1b2' || lpad(to_hex(n), 64, '0') end
      from generate_series(1, {count}) n, unnest(array['sms', 'push']::marketing.channel[]) channel;
      insert into marketing.contact_point (contact_id, channel, address)
      select n, 'web_push', address from jsonb_array_elements_text({literal(browsers)}) with ordinality as a (address, n);
      insert into marketing.consent (contact_id, channel, topic_id, is_granted, source)
      select n, channel, 1, true, 'test'
      from generate_series(1, {count}) n, unnest(array['sms', 'push', 'web_push']::marketing.channel[]) channel;""")
    for channel in ("sms", "push", "web_push"):
      self.add_template(f"crash {channel}", channel)

  def all_say_yes(self):
    """And all addresses work again."""
    super().all_say_yes()
    self.stack.psql("""
      delete from marketing.suppression;
      update marketing.contact_point set is_usable = true, unusable_reason = null where not is_usable;""")

  # --- what is told ---

  def waiting(self):
    return sum(account["waiting"] for account in self.sandbox.callbacks().values())

  def sum(self, *names):
    """Of the sandbox's counts, over all accounts."""
    return sum(account[name] for account in self.sandbox.callbacks().values() for name in names)

  def unanswered(self):
    """Genuine requests that were not taken: the receiver, or its database, was not there."""
    return sum(not entry["forged"] and not 200 <= entry["status"] < 300 for entry in self.sandbox.told())

  def is_told(self):
    return self.waiting() == 0 and self.stack.value("select count(*) from delivery.callback_todo") == "0"

  def settle(self, campaign, patience_s=PATIENCE_S):
    """What was told last may end the run."""
    super().settle(campaign, patience_s)
    self.wait(self.is_told, "everything to be told and folded", patience_s)
    super().settle(campaign, patience_s)

  def settled_by_word(self, campaign):
    """Deliveries of which only the provider knew what became of them."""
    return int(self.stack.value(f"""
      select count(*) from delivery.delivery d join delivery.run_step using (run_step_id) join delivery.campaign_run using (campaign_run_id)
      where campaign_id = {campaign} and (d.status in ('sent', 'delivered', 'bounced') or d.reason = 'provider_failed')
        and not exists (select from delivery.attempt a where a.delivery_id = d.delivery_id and a.outcome = 'accepted')"""))

  def broken_words(self, report, impatient=IMPATIENT):
    """What the oracle cannot see, in sentences: the vendors said it and nobody heeded, or it was heeded and should not have been.
    impatient: accounts whose vendors may give up telling."""
    counts = self.sandbox.callbacks()
    given_up = {account for account, count in counts.items() if count["given_up"]}
    rules = [(int(report.told == 0), "row has no word from the vendors"),
             (sum(count["forged_accepted"] for count in counts.values()), "forged callbacks were believed"),
             (sum(count["misdirected"] for count in counts.values()), "messages asked for callbacks to somewhere else"),
             (sum(counts[account]["given_up"] for account in given_up - set(impatient)), f"callbacks were refused for too long by {given_up}")]
    rules += [(report.uncertain_at.get(vendor, 0), f"are uncertain although {vendor} has told of all it took")
              for account, vendor in TELLING.items() if account in counts and account not in given_up]
    return [f"{amount} {sentence}" for amount, sentence in rules if amount]

  # --- the whole ---

  def forget(self):
    self.sandbox.clear_callbacks()
    super().forget()
    self.stack.psql(f"truncate {', '.join(f'delivery.{table}' for table in TABLES)} cascade")
    self.order_callbacks(**self.order)

  def keep(self, folder):
    super().keep(folder)
    self.keep_tables(folder, TABLES)
