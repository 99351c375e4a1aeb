"""One run of the user's code, observed and with a change of units laid over it."""

from collections.abc import Callable

from lossgauge.errors import InputError, LossgaugeError
from lossgauge.records.injection import Injection
from lossgauge.records.run import Run
from lossgauge.trainings.failure import failed
from lossgauge.trainings.recorder import LawOf, Recorder, Stop, Watch


def observe(
    title: str, call: Callable[[], object], injection: Injection, watch: Watch, law_of: LawOf | None = None
) -> Run:
    """Run the user's code once.

    Args:
        title: What it is called, for messages.
        call: Runs it; what it returns may hold models, which name the tensors.
        injection: The change of units, and the treatments.
        watch: What to look out for.
        law_of: Finds the law of a live optimizer; asked once the run is over, so that it cannot disturb it.

    Returns:
        The record of the run.

    Raises:
        InputError: When torch is not installed.
        LossgaugeError: When the injection cannot be carried out.
        ScriptError: When the user's code fails.
    """
    try:
        from lossgauge.frameworks.torch.interposition import interpose
    except ModuleNotFoundError as error:
        raise InputError(f"{title} cannot be run: {error}; install lossgauge[torch]") from error
    recorder, found = Recorder(watch), None
    try:
        with interpose(injection, recorder):
            found = call()
    except (Exception, SystemExit, Stop) as error:
        _judge(title, error, recorder)
    return recorder.finish(found, law_of)


def _judge(title: str, error: BaseException, recorder: Recorder) -> None:
    """What an error that ended the user's code means; once the record is complete it means nothing."""
    if recorder.stopped or (isinstance(error, SystemExit) and not error.code):
        return
    if isinstance(error, LossgaugeError):
        raise error
    raise failed(title, error) from error
