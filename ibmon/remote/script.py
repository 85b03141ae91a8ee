"""What runs on the other host, in its POSIX shell, and how it is spoken to. It reads, and writes nothing there.

One line names the run; then come requests, a line each: ``look``, or ``get FROM MOST FILE``. The answer to ``look`` is the time
there and that of the heartbeat (seconds since 1970), a line ``checksum size name`` for each small file, a line ``size name`` for
each growing one, and ``end``; to ``get`` the number of bytes and the bytes. A file that shrinks meanwhile is filled up with
zeros, so that both sides keep step.
"""

from __future__ import annotations

WELCOME = "ibmon-mirror-1"
"""The first word of the first line; what a login prints before it is skipped. Behind it stands the absolute path, or nothing."""

SMALL = ("run.json", "submitted.json", "started.json", "exit.json")
"""Files that are replaced whole."""

ABSENT = 97
"""What ``AWAY`` exits with where there is no ibmon."""

AWAY = f"""
PATH="$PATH:$HOME/.local/bin"; command -v ibmon >/dev/null 2>&1 || exit {ABSENT}; exec env "$@"
"""
"""Runs ibmon there: its arguments are variables for the environment, then the command."""

SERVE = f"""
unset CDPATH; IFS= read -r run || exit 0; root="${{IBMON_RUNS:-runs}}";
case "$run" in
  */*) set -- "$run" ;;
  "" | latest) newest=$(ls -t "$root"/*/run.json 2>/dev/null </dev/null | head -n 1); set -- "${{newest%/run.json}}" ;;
  *) set -- "$run" "$root/$run" ;;
esac;
found="";
for d in "$@"; do
  if [ -z "$found" ] && [ -n "$d" ] && [ -f "$d/run.json" ]; then cd -- "$d" && found=$(pwd -P); fi;
done;
echo "{WELCOME} $found"; [ -n "$found" ] || exit 0;
while read -r word from most name; do
  case "$word" in
    look)
      set --; for f in {" ".join(SMALL)}; do if [ -f "$f" ]; then [ -L "$f" ] || set -- "$@" "$f"; fi; done;
      date +%s; stat -c %Y heartbeat 2>/dev/null || stat -f %m heartbeat 2>/dev/null || echo 0;
      [ "$#" -eq 0 ] || cksum "$@" </dev/null 2>/dev/null;
      set --;
      for f in console.log trainer-*.jsonl analyst-*.jsonl; do if [ -f "$f" ]; then [ -L "$f" ] || set -- "$@" "$f"; fi; done;
      [ "$#" -eq 0 ] || wc -c "$@" </dev/null 2>/dev/null; echo end ;;
    get)
      n=0; if [ -f "$name" ]; then [ -L "$name" ] || n=$(($(wc -c <"$name") - from)); fi;
      [ "$n" -ge 0 ] || n=0; [ "$n" -le "$most" ] || n="$most"; echo "$n";
      if [ "$n" -gt 0 ]; then
        {{ tail -c "+$((from + 1))" "$name"; head -c "$n" /dev/zero; }} 2>/dev/null </dev/null | head -c "$n";
      fi ;;
  esac;
done
"""
