"""Memory of a run in a process of its own."""

import subprocess
import sys

from wgan import PROJECT

# Not ru_maxrss, which begins with that of the process that starts this one.
PROGRAM = """
import re, runpy, sys
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
print(re.search("VmHWM: *([0-9]+) kB", open("/proc/self/status").read().replace("\\t", " "))[1])
"""


def peak_memory(*arguments: str) -> int:
    """The most resident memory, in bytes, of python train.py with these arguments; on Linux."""
    command = [sys.executable, "-c", PROGRAM, str(PROJECT / "train.py"), *arguments]
    process = subprocess.run(command, check=True, capture_output=True, text=True)
    return 1024 * int(process.stdout.splitlines()[-1])
