"""A script under the gauge, in the child process that is given over to it.

To the script it is as if `python` ran it: the framework is loaded when the script loads it, an error ends the process
with the script's own traceback, threads are waited for and exit functions called. Only then, as the very last exit
function, the session is completed.
"""

import atexit
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NoReturn

from lossgauge.records.injection import Injection
from lossgauge.records.journal import Journal
from lossgauge.trainings.arrival import on_arrival
from lossgauge.trainings.attendance import Attendance
from lossgauge.trainings.failure import describe, let_python_show
from lossgauge.trainings.law_lookup import LawLookup
from lossgauge.trainings.main_module import run_as_main
from lossgauge.trainings.request import write_answer


def run_gauged(request: Mapping[str, Any], place: str) -> None:
    """Run the script a request names; what it raises is raised.

    Args:
        request: The request.
        place: Its file; the answer is written beside it.
    """
    _ScriptRun(request, place).run()


class _ScriptRun:
    def __init__(self, request: Mapping[str, Any], place: str) -> None:
        self.request = request
        self.place = place
        gauge = request["gauge"]
        self.attendance = Attendance(
            Journal(gauge["journal"]), Injection.from_dict(request["injection"]), gauge["stop_after"]
        )

    def run(self) -> None:
        self.attendance.begin(self.request["title"], self.request["args"])
        atexit.register(self._end)  # registered before any of the script's, so called after all of them
        on_arrival("torch", self._install)
        try:
            run_as_main(self.request["script"], self.request["args"], self.request["module"])
        except BaseException as error:
            self.attendance.take(error)
            let_python_show(error)
            raise

    def _install(self) -> None:
        """Torch is there. A training that is only observed goes on whatever happens here; a trial does not."""
        try:
            threads = self.request["threads"]
            if threads is not None:
                from lossgauge.frameworks.torch.machine import use_threads

                use_threads(threads)
            self.attendance.install(self._leave)
        except Exception as error:
            if self.request["apart"]:
                self._refuse(error)
            self.attendance.note(f"the training was not observed: {describe(error)}")

    def _leave(self) -> NoReturn:
        """End a trial after its last step, at once.

        Unwinding it would run the script's `finally` blocks and exit functions, and these may save half-trained weights
        over the user's own.
        """
        os._exit(0)

    def _refuse(self, error: Exception) -> NoReturn:
        """A trial that cannot be treated as asked must not run untreated."""
        write_answer(self.place, {"error": describe(error)})
        os._exit(2)

    def _end(self) -> None:
        if self.attendance.elsewhere:
            return
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left to do takes a moment; the script itself is over
        law_of = LawLookup(self.request["law_of"]) if self.request["law_of"] else None
        self.attendance.end(lambda: list(vars(sys.modules["__main__"]).values()), law_of)
        with suppress(OSError):  # whoever asked is gone
            lost = {"lost": self.attendance.journal.lost, "reason": self.attendance.reason}
            write_answer(self.place, (_used() if self.attendance.gauge is not None else {}) | lost)


def _used() -> dict[str, Any]:
    """What the run used of the machine, so that trials may use the same."""
    from lossgauge.frameworks.torch.machine import accelerator_in_use, threads_in_use

    return {"threads": threads_in_use(), "accelerator": accelerator_in_use()}
