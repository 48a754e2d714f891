"""`train.py ARGUMENTS`, which ends in a SIGKILL when a file has been written but for its last bytes.

killed_while_writing.py NAME TIMES ARGUMENTS: a file whose name holds NAME, when it is written the TIMES-th time.
"""

import os
import runpy
import signal
import sys
from pathlib import Path

_, NAME, TIMES, *ARGUMENTS = sys.argv

fsync = os.fsync
count = 0


def kill_or_sync(descriptor: int) -> None:
    global count
    count += NAME in Path(f"/proc/self/fd/{descriptor}").readlink().name
    if count == int(TIMES):
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - 10)
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)


os.fsync = kill_or_sync  # type: ignore[assignment]
script = Path(__file__).parents[1] / "train.py"
sys.argv[:] = [str(script), *ARGUMENTS]
runpy.run_path(str(script), run_name="__main__")
