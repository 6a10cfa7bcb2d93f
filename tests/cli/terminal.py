"""Runs a program on a terminal of its own, as a person has one."""
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time


def on_terminal(command, environ, cwd, answers=(), columns=80, seconds=60):
    """Exit code and all that was shown. `answers`: pairs of a text to wait for and what is typed then."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(cwd)
        os.execve(str(command[0]), [str(part) for part in command], environ)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    shown, waiting, deadline = b"", list(answers), time.monotonic() + seconds
    while True:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            got = os.read(terminal, 65536)
        except OSError:  # the program has ended
            break
        if not got:
            break
        shown += got
        if waiting and waiting[0][0].encode() in shown:
            os.write(terminal, waiting.pop(0)[1].encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode(errors="replace")
