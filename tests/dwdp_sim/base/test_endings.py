"""A command ends when it is told to, whatever it does at that moment, and says so in one line."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

COMMAND = """
import ctypes, hashlib, os, signal, sys, threading, time
from dwdp_sim.base.endings import Ended, run_command
signal.signal(signal.SIGINT, {at_first})
def work():
    print("working", flush=True)
    {work}
run_command(work)
"""
BUSY = {
    "waiting": "time.sleep(60)",
    "in compiled code that looks at nothing": "hashlib.pbkdf2_hmac('sha256', b'x', b'y', 10**9)",
    "swallowing exceptions": """
    while True:
        try: time.sleep(60)
        except BaseException: pass""",
    "joining a thread": "t = threading.Thread(target=time.sleep, args=(60,)); t.start(); t.join()",
    "failing because of it": """
    try: time.sleep(60)
    except BaseException: raise ImportError('failed to import')""",
    "where nobody can catch": """
    class Noisy:
        def __del__(self): time.sleep(60)
    Noisy(); time.sleep(60)""",
}


def start(work: str, at_first: str = "signal.default_int_handler") -> subprocess.Popen[str]:
    code = COMMAND.format(work=work, at_first=at_first)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    time.sleep(0.2)  # until it does what it is to be interrupted in
    return process


@pytest.mark.parametrize("name", BUSY)
@pytest.mark.parametrize(("number", "code", "said"), [(2, 130, "interrupted"), (15, 143, "ended by SIGTERM")])
def test_a_signal_ends_a_command(name: str, number: int, code: int, said: str) -> None:
    process = start(BUSY[name])
    process.send_signal(number)
    began = time.monotonic()
    _, errors = process.communicate(timeout=10.0)
    assert (process.returncode, errors) == (code, f"-c: {said}\n")
    assert time.monotonic() - began < 3.0


def test_a_second_signal_does_not_cut_short_what_the_first_has_begun() -> None:
    process = start("""
    try: time.sleep(60)
    finally:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)
        print("clean", flush=True)""")
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=10.0)
    assert (process.returncode, output, errors) == (143, "clean\n", "-c: ended by SIGTERM\n")


def test_a_hint_for_the_user_is_added() -> None:
    process = start("""
    try: time.sleep(60)
    except Ended as ended:
        ended.hint = "half is done"
        raise""")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10.0)[1] == "-c: interrupted; half is done\n"


def test_a_command_that_was_started_to_ignore_interrupts_ignores_them() -> None:
    process = start("time.sleep(1.0); print('done')", "signal.SIG_IGN")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10.0) == ("done\n", "")
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_interpreter_ends_changes_nothing(number: signal.Signals) -> None:
    process = start("import atexit; atexit.register(time.sleep, 1.0); atexit.register(print, 'ending', flush=True)")
    assert process.stdout is not None
    assert process.stdout.readline() == "ending\n"
    time.sleep(0.2)
    process.send_signal(number)
    assert process.communicate(timeout=10.0) == ("", "")
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("work", "code", "said"),
    [
        ("from dwdp_sim.base.errors import ConfigError; raise ConfigError('key', 1, 'no')", 2, "key=1: no"),
        ("raise OSError(28, 'No space left on device')", 2, "No space left on device"),
        ("open('/none/file')", 2, "/none/file: No such file or directory"),
        ("raise MemoryError", 1, "this process got no more memory; fewer workers or a smaller job need less"),
    ],
)
def test_an_error_that_its_message_explains_is_one_line(work: str, code: int, said: str) -> None:
    process = start(work)
    _, errors = process.communicate(timeout=10.0)
    assert (process.returncode, errors) == (code, f"-c: {said}\n")


def test_a_fault_of_ours_keeps_its_trace() -> None:
    process = start("raise RuntimeError('ours')")
    _, errors = process.communicate(timeout=10.0)
    assert process.returncode == 1
    assert errors.startswith("Traceback")
    assert errors.endswith("RuntimeError: ours\n")
