"""callbacks - providers that call back: they sign and post, and tell what they were answered.

    app = App(port, "app", secret)
    status = app.tell("delivered", delivery_id)
    status, headers, body = raw(port, b"POST /callbacks/app HTTP/1.1\\r\\n...")
"""
import base64
import hashlib
import hmac
import http.client
import json
import secrets
import socket
import time
import urllib.parse


def raw(port, request, timeout_s=20):
  """Sends bytes and returns the status and all that was answered; status 0: nothing was."""
  with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
    connection.sendall(request)
    connection.shutdown(socket.SHUT_WR)
    answer = b""
    while part := connection.recv(65536):
      answer += part
  return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0, answer


class Vendor:
  """Posts to POST /callbacks/<account>. port may change when the receiver is started anew."""

  def __init__(self, port, account):
    self.port, self.account = port, account
    self.retry_after = None  # of the last answer

  def post(self, body, headers, query="", method="POST"):
    """The status; 0: no answer came."""
    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
    try:
      connection.request(method, f"/callbacks/{self.account}{query}", body, headers)
      answer = connection.getresponse()
      self.reply = answer.read().decode()
      self.retry_after = answer.headers.get("Retry-After")
      return answer.status
    except (OSError, http.client.HTTPException):
      return 0
    finally:
      connection.close()


class App(Vendor):
  """An app that speaks Standard Webhooks."""

  def __init__(self, port, account, secret):
    super().__init__(port, account)
    self.key = base64.b64decode(secret.removeprefix("whsec_"))

  def message(self, kind, delivery_id, at=None, **data):
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at or time.time()))
    return json.dumps({"type": f"message.{kind}", "timestamp": moment,
                       "data": {"delivery_id": str(delivery_id), **data}}).encode()

  def headers(self, body, event=None, at=None, key=None):
    event, seconds = event or f"evt_{secrets.token_hex(8)}", str(int(at or time.time()))
    signature = hmac.new(key or self.key, f"{event}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return {"Content-Type": "application/json", "webhook-id": event, "webhook-timestamp": seconds,
            "webhook-signature": "v1," + base64.b64encode(signature).decode()}

  def tell(self, kind, delivery_id, event=None, at=None, **data):
    body = self.message(kind, delivery_id, at, **data)
    return self.post(body, self.headers(body, event))


class Mandrill(Vendor):
  """Mailchimp Transactional: a form field that holds an array; the signature covers the public URL."""

  def __init__(self, port, account, key, public_url):
    super().__init__(port, account)
    self.key, self.url = key.encode(), f"{public_url}/callbacks/{account}"

  def post_events(self, events, key=None):
    text = json.dumps(events)
    signed = self.url.encode() + b"mandrill_events" + text.encode()
    signature = base64.b64encode(hmac.new(key or self.key, signed, hashlib.sha1).digest()).decode()
    return self.post(urllib.parse.urlencode({"mandrill_events": text}).encode(),
                     {"Content-Type": "application/x-www-form-urlencoded", "X-Mandrill-Signature": signature})


class Twilio(Vendor):
  """Twilio: form fields, sorted, behind the exact URL with its query."""

  def __init__(self, port, account, token, public_url):
    super().__init__(port, account)
    self.token, self.public_url = token.encode(), public_url

  def post_fields(self, fields, query=""):
    url = f"{self.public_url}/callbacks/{self.account}{query}"
    signed = url + "".join(name + fields[name] for name in sorted(fields))
    signature = base64.b64encode(hmac.new(self.token, signed.encode(), hashlib.sha1).digest()).decode()
    return self.post(urllib.parse.urlencode(fields).encode(),
                     {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}, query)
