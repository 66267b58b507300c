"""vendor_crypto - signatures and sealing as the vendors document them, by Python's hmac and the openssl program: written
apart from the drivers and from the sandbox, so that neither is checked against itself."""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import tempfile
from pathlib import Path

SPKI_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")


def base64url(data):
  return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text):
  return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def openssl(*arguments, data=b""):
  done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=False)
  if done.returncode:
    raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.decode()}")
  return done.stdout


class Files:
  """Bytes that a program wants as files; gone at the end."""

  def __init__(self):
    self._directory = tempfile.TemporaryDirectory(prefix="postrider-test-")
    self._count = 0

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self._directory.cleanup()

  def put(self, data):
    self._count += 1
    path = Path(self._directory.name, str(self._count))
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


# --- keys ---

def new_p256():
  """A private key, PEM."""
  return openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256").decode()


def new_rsa():
  return openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048").decode()


def point_of(private_pem):
  """The uncompressed public point, 65 bytes."""
  return openssl("pkey", "-pubout", "-outform", "DER", data=private_pem.encode())[len(SPKI_P256):]


def pem_of_point(point):
  return "-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(SPKI_P256 + point).decode() + "-----END PUBLIC KEY-----\n"


def pem_of_spki(encoded):
  return f"-----BEGIN PUBLIC KEY-----\n{encoded}\n-----END PUBLIC KEY-----\n"


# --- tokens (RFC 7515, 7518) ---

def _raw(der):
  """r and s of a DER signature, 32 bytes each."""
  numbers, at = [], 2 if der[1] < 0x80 else 3
  for _ in range(2):
    length = der[at + 1]
    numbers.append(int.from_bytes(der[at + 2:at + 2 + length], "big").to_bytes(32, "big"))
    at += 2 + length
  return b"".join(numbers)


def jwt(header, claims, private_pem):
  signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
  with Files() as files:
    signature = openssl("dgst", "-sha256", "-sign", files.put(private_pem), data=signed.encode())
  return f"{signed}.{base64url(_raw(signature) if header['alg'] == 'ES256' else signature)}"


# --- Web Push (RFC 8188, 8291) ---

def _hkdf(salt, material, info, length):
  pseudorandom = hmac.digest(salt, material, "sha256")
  return hmac.digest(pseudorandom, info + b"\1", "sha256")[:length]


def _ghash(key, data):
  product, number = 0, int.from_bytes(key, "big")
  for at in range(0, len(data), 16):
    product ^= int.from_bytes(data[at:at + 16].ljust(16, b"\0"), "big")
    result, factor = 0, number
    for bit in range(127, -1, -1):
      if product >> bit & 1:
        result ^= factor
      factor = factor >> 1 ^ (0xE1 << 120 if factor & 1 else 0)
    product = result
  return product.to_bytes(16, "big")


def aes_128_gcm(key, nonce, plain):
  """Sealed, with the tag behind (NIST SP 800-38D); the openssl program has the cipher, but not this mode."""
  def blocks(data):
    return openssl("enc", "-aes-128-ecb", "-nopad", "-K", key.hex(), data=data)

  sealed = openssl("enc", "-aes-128-ctr", "-K", key.hex(), "-iv", (nonce + b"\0\0\0\2").hex(), data=plain) if plain else b""
  lengths = bytes(8) + (len(sealed) * 8).to_bytes(8, "big")
  padded = sealed + bytes(-len(sealed) % 16)
  tag = _ghash(blocks(bytes(16)), padded + lengths)
  mask = blocks(nonce + b"\0\0\0\1")
  return sealed + bytes(a ^ b for a, b in zip(tag, mask))


def seal(subscription, plain, padding=0, record_size=4096):
  """The aes128gcm body for a subscription as a browser describes it."""
  own = new_p256()
  receiver, auth = (from_base64url(subscription["keys"][name]) for name in ("p256dh", "auth"))
  with Files() as files:
    shared = openssl("pkeyutl", "-derive", "-inkey", files.put(own), "-peerkey", files.put(pem_of_point(receiver)))
  material = _hkdf(auth, shared, b"WebPush: info\0" + receiver + point_of(own), 32)
  salt = os.urandom(16)
  key = _hkdf(salt, material, b"Content-Encoding: aes128gcm\0", 16)
  nonce = _hkdf(salt, material, b"Content-Encoding: nonce\0", 12)
  head = salt + record_size.to_bytes(4, "big") + bytes([65]) + point_of(own)
  return head + aes_128_gcm(key, nonce, plain + b"\2" + bytes(padding))


# --- callbacks: True where the signature holds ---

def twilio_holds(token, url, fields, signature):
  text = url + "".join(name + value for name, value in sorted(fields))
  return hmac.compare_digest(base64.b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode(), signature)


def mandrill_holds(key, url, events, signature):
  text = url + "mandrill_events" + events
  return hmac.compare_digest(base64.b64encode(hmac.digest(key.encode(), text.encode(), "sha1")).decode(), signature)


def sendgrid_holds(public_key, timestamp, body, signature):
  with Files() as files:
    done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", files.put(pem_of_spki(public_key)), "-signature",
                           files.put(base64.b64decode(signature))], input=timestamp.encode() + body,
                          capture_output=True, check=False)
  return done.returncode == 0


def webhook_signature(secret, message_id, timestamp, body):
  """Standard Webhooks."""
  key = base64.b64decode(secret.removeprefix("whsec_"))
  return "v1," + base64.b64encode(hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")).decode()


def sha256(data):
  return hashlib.sha256(data).hexdigest()
