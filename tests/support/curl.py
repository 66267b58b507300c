"""curl - HTTP/1.1 and HTTP/2 for tests, by the same libcurl that the worker uses: Python's own library speaks no HTTP/2.

    answer = curl.request("POST", url, {"TTL": "60"}, body, ca_file=path, http2=True)
    answer.status, answer.headers["apns-id"], answer.body

A call that has no answer raises Failure, with libcurl's number and sentence.
"""
import ctypes
import ctypes.util

OPTION = {"url": 10002, "body": 10015, "body_size": 60, "headers": 10023, "method": 10036, "ca_file": 10065,
          "http_version": 84, "timeout_ms": 155, "no_signal": 99, "on_body": 20011, "on_header": 20079, "proxy": 10004}
HTTP_1_1, HTTP_2_TLS, HTTP_2_PLAIN = 2, 4, 5
INFO_STATUS, INFO_VERSION = 0x200002, 0x20002E

_library = ctypes.CDLL(ctypes.util.find_library("curl") or "libcurl.so.4")
_library.curl_easy_init.restype = ctypes.c_void_p
_library.curl_slist_append.restype = ctypes.c_void_p
_library.curl_slist_append.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
_library.curl_slist_free_all.argtypes = [ctypes.c_void_p]
_library.curl_easy_cleanup.argtypes = [ctypes.c_void_p]
_library.curl_easy_perform.argtypes = [ctypes.c_void_p]
_library.curl_easy_strerror.restype = ctypes.c_char_p
_library.curl_global_init(3)

_Write = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.POINTER(ctypes.c_char), ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p)


class Failure(Exception):
  """No answer: number is libcurl's, 60 for a certificate that is not believed."""

  def __init__(self, number):
    super().__init__(f"curl {number}: {_library.curl_easy_strerror(number).decode()}")
    self.number = number


class Answer:
  """Header names in small letters; the last one of a name counts."""

  def __init__(self, status, version, headers, body):
    self.status, self.version, self.headers, self.body = status, version, headers, body


class Connection:
  """Keeps its connections open between requests."""

  def __init__(self, ca_file=None, http2=False, timeout_s=20):
    self._easy = ctypes.c_void_p(_library.curl_easy_init())
    self._kept = []
    self._ca_file, self._http2, self._timeout_s = ca_file, http2, timeout_s

  def request(self, method, url, headers=None, body=b""):
    received, lines = [], []
    self._kept = [_Write(lambda at, size, count, _: received.append(at[:size * count]) or size * count),
                  _Write(lambda at, size, count, _: lines.append(at[:size * count]) or size * count), body]
    fields = None
    for name, value in {"Expect": "", **(headers or {})}.items():
      fields = _library.curl_slist_append(fields, f"{name}: {value}".encode())
    version = HTTP_1_1 if not self._http2 else HTTP_2_TLS if url.startswith("https:") else HTTP_2_PLAIN
    for name, value in {"url": url.encode(), "method": method.encode(), "headers": ctypes.c_void_p(fields),
                        "body": body, "body_size": ctypes.c_long(len(body)), "http_version": ctypes.c_long(version),
                        "timeout_ms": ctypes.c_long(int(self._timeout_s * 1000)), "no_signal": ctypes.c_long(1),
                        "on_body": self._kept[0], "on_header": self._kept[1], "proxy": b"",
                        "ca_file": str(self._ca_file).encode() if self._ca_file else None}.items():
      if value is not None:
        _library.curl_easy_setopt(self._easy, OPTION[name], value)
    number = _library.curl_easy_perform(self._easy)
    _library.curl_slist_free_all(fields)
    if number:
      raise Failure(number)
    return Answer(self._info(INFO_STATUS), self._info(INFO_VERSION), _parse(lines), b"".join(received))

  def close(self):
    _library.curl_easy_cleanup(self._easy)
    self._easy = None

  def _info(self, which):
    value = ctypes.c_long()
    _library.curl_easy_getinfo(self._easy, which, ctypes.byref(value))
    return value.value


def request(method, url, headers=None, body=b"", ca_file=None, http2=False, timeout_s=20):
  connection = Connection(ca_file, http2, timeout_s)
  try:
    return connection.request(method, url, headers, body)
  finally:
    connection.close()


def _parse(lines):
  headers = {}
  for line in lines:
    name, colon, value = line.decode("latin-1").partition(":")
    if colon:
      headers[name.strip().lower()] = value.strip()
  return headers
