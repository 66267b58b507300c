"""The sources as {path: text}, paths as Git writes them. Files that Git ignores are not part of it."""
import fnmatch
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))


def paths(*patterns):
  """Those that are in Git or could be added, whether committed or not."""
  listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
                          capture_output=True, check=False)
  if listed.returncode == 0:
    found = [path for path in listed.stdout.decode().split("\0") if path]
  else:  # sources without Git: an unpacked archive
    found = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file() and not
             {"build", ".run", ".git", "__pycache__"} & set(path.relative_to(ROOT).parts)]
    found = [path for path in found if not patterns or
             any(fnmatch.fnmatch(path, pattern) or path.startswith(f"{pattern}/") for pattern in patterns)]
  return sorted(path for path in set(found) if (ROOT / path).is_file())


def sources(*patterns, but=()):
  """but: beginnings of paths that are left out."""
  return {path: (ROOT / path).read_text(encoding="utf-8") for path in paths(*patterns) if not path.startswith(tuple(but))}


def without_comments(c_text):
  """Comments and the contents of strings become blanks; lines stay where they are."""
  def blank(match):
    text = match.group(0)
    if text.startswith(("/*", "//")):
      return re.sub(r"[^\n]", " ", text)
    return text[0] + re.sub(r"[^\n]", " ", text[1:-1]) + text[-1]
  return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, c_text, flags=re.S)


def line_of(text, position):
  return text.count("\n", 0, position) + 1
