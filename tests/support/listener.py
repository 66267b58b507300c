"""listener - stands in for the receiver: keeps every request that comes in, and answers as told.

    with Listener() as listener:
      listener.answer = lambda request: 503 if request.number == 1 else 200
      ... listener.requests[0].body, .form(), .json()
"""
import http.server
import json
import threading
import urllib.parse


class Request:
  def __init__(self, number, target, headers, body):
    self.number, self.target, self.headers, self.body = number, target, headers, body

  def form(self):
    """[(name, value)], decoded."""
    return urllib.parse.parse_qsl(self.body.decode(), keep_blank_values=True)

  def json(self):
    return json.loads(self.body)


class Listener:
  def __init__(self):
    self.requests = []
    self.answer = lambda request: 200
    lock = threading.Lock()
    listener = self

    class Handler(http.server.BaseHTTPRequestHandler):
      protocol_version = "HTTP/1.1"

      def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with lock:
          request = Request(len(listener.requests) + 1, self.path, dict(self.headers), body)
          listener.requests.append(request)
        self.send_response(listener.answer(request))
        self.send_header("Content-Length", "0")
        self.end_headers()

      def log_message(self, *_):
        pass

    self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    self._server.daemon_threads = True
    self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

  def __enter__(self):
    threading.Thread(target=self._server.serve_forever, daemon=True).start()
    return self

  def __exit__(self, *_):
    self._server.shutdown()
    self._server.server_close()
