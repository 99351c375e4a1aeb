"""Scripts that notice how they are run, each by another part of Python. None of them trains."""

WAYS = {
    "names": """
import sys, os
print(__name__, __file__, __spec__ and __spec__.name, type(__loader__).__name__)
print(__package__, __cached__, __builtins__, __doc__, sys.modules["__main__"].__dict__ is globals())
print(sys.argv, sys.path[0], sys.orig_argv[1:], sys.flags, sorted(globals()))
print(os.getcwd(), sys.stdin.fileno(), sys.stdout.isatty(), sys.getrecursionlimit(), sys.warnoptions)
""",
    "annotated": "x: int = 3\nprint(__annotations__)\n".replace("\\\n", "\n"),
    "failing": """
def inner():
    return 1 / 0
def outer():
    try:
        inner()
    except ZeroDivisionError as error:
        raise ValueError("of the script's own") from error
outer()
""",
    "in_a_group": """
try:
    {}["missing"]
except KeyError as error:
    raise ExceptionGroup("several", [error, TypeError("another")])
""",
    "syntax": "print(1)\ndef broken(:\n",
    "unfindable": "import a_module_that_is_not_there\n",
    "leaving": "import sys; print('x', end=''); sys.exit(5)\n",
    "leaving_with_words": "import sys; sys.exit('why')\n",
    "leaving_well": "raise SystemExit\n",
    "at_once": "import os; print('lost, as it is not flushed'); os._exit(7)\n",
    "at_once_well": "import os; os._exit(0)\n",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n",
    "crashed": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)\n",
    "interrupted": "raise KeyboardInterrupt\n",
    "exit_functions": """
import atexit, threading, time
atexit.register(print, "registered first")
atexit.register(print, "registered second")
def late():
    time.sleep(0.3)
    print("the thread is over")
threading.Thread(target=late).start()
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print("the main thread is over")
""",
    "failing_beside_a_thread": """
import threading, time
def late():
    time.sleep(0.3)
    print("the thread is over")
threading.Thread(target=late).start()
raise RuntimeError("of the main thread")
""",
    "own_hook": """
import sys
sys.excepthook = lambda kind, error, trace: print(kind, error, trace.tb_lineno, trace.tb_next)
raise RuntimeError("shown in a way of its own")
""",
    "pool_of_threads": """
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(2)
pool.submit(print, "from the pool")
""",
    "reading": """
import sys
print(input(), sys.stdin.read().splitlines())
""",
    "pickling": """
import pickle
class Own:
    pass
print(type(pickle.loads(pickle.dumps(Own()))) is Own, Own.__module__)
""",
    "forking": """
import multiprocessing
def work(number):
    return number + 1
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(work, range(3)))
""",
    "spawning": """
import multiprocessing, sys
class Own:
    def __init__(self, number):
        self.number = number
def work(own):
    return Own(own.number + 1), sys.flags.safe_path, __name__, sys.path[0]
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (own, *rest), = pool.map(work, [Own(1)])
        print(own.number, rest)
""",
    "forked": """
import os, sys
child = os.fork()
if not child:
    print("the child is over", flush=True)
    sys.exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""",
    "daemon": """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
sys.stdout.close(); sys.stderr.close(); os.close(1); os.close(2)
time.sleep(30)
""",
    "inspected": """
import inspect
def own():
    return 1
print(inspect.getsource(own), inspect.getfile(own), inspect.getmodule(own).__name__)
""",
    "warned": """
import warnings
warnings.warn("of the script's own")
""",
    "options": """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--json", action="store_true")
parser.add_argument("--help-me", "-m")
print(parser.parse_args())
""",
}
"""By name, the text of a script."""
