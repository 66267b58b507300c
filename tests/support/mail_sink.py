"""mail_sink - a mail relay that keeps what it is given, for tests that read messages as a recipient does.

    with MailSink() as sink:
      engine.set_account("relay", port=sink.port)
      ...
      message = sink.wait_for("member1@example.org")      # an email.message.EmailMessage
"""
import email
import email.policy
import socketserver
import threading

from private_servers import wait_until


class _Dialog(socketserver.StreamRequestHandler):

  def handle(self):
    self._say("220 sink")
    recipients = []
    for line in iter(self.rfile.readline, b""):
      verb = line[:4].upper()
      if verb == b"EHLO":
        self._say("250-sink", "250-8BITMIME", "250-SMTPUTF8", "250 PIPELINING")
      elif verb == b"RCPT":
        recipients.append(line.split(b"<", 1)[1].split(b">", 1)[0].decode())
        self._say("250 ok")
      elif verb == b"DATA":
        self._say("354 go on")
        self.server.keep(recipients, self._message())
        recipients = []
        self._say("250 kept")
      elif verb == b"QUIT":
        self._say("221 bye")
        return
      else:
        self._say("250 ok")

  def _say(self, *lines):
    self.wfile.write("".join(line + "\r\n" for line in lines).encode())

  def _message(self):
    lines = []
    for line in iter(self.rfile.readline, b""):
      if line == b".\r\n":
        break
      lines.append(line[1:] if line.startswith(b".") else line)
    return b"".join(lines)


class MailSink(socketserver.ThreadingTCPServer):
  allow_reuse_address = True
  daemon_threads = True

  def __init__(self):
    super().__init__(("127.0.0.1", 0), _Dialog)
    self.port = self.server_address[1]
    self._messages = []
    self._lock = threading.Lock()
    threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

  def __exit__(self, *_):
    self.shutdown()
    self.server_close()

  def keep(self, recipients, message):
    with self._lock:
      self._messages.append((recipients, message))

  def raw(self, recipient):
    """The messages to one recipient, as bytes, in the order they came."""
    with self._lock:
      return [message for recipients, message in self._messages if recipient in recipients]

  def wait_for(self, recipient, count=1, timeout_s=120):
    """The count-th message to a recipient."""
    wait_until(lambda: len(self.raw(recipient)) >= count, timeout_s, f"message {count} to {recipient}", 0.05)
    return email.message_from_bytes(self.raw(recipient)[count - 1], policy=email.policy.default)
