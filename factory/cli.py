"""The `factory` command. It parses, hands on, and turns errors into one line and an exit code.

0 done                    1 failed                        2 wrong usage, recipe or input
3 too many rows failed    4 the budget is spent           5 another process has the lock or the race
75 stopped by SIGTERM     130 stopped by Ctrl-C           (after both the same command goes on)
"""

from __future__ import annotations

import signal
import sys
from importlib.metadata import version

from cyclopts import App, CycloptsError

DONE, FAILED, USAGE, TOO_MANY_FAILURES, BUDGET, CONFLICT, TERMINATED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 75, 130

app = App(
    name="factory",
    help="Build versioned datasets with language models: prompts, traces, completions, preference pairs.",
    version=lambda: version("synthetic-data-factory"),
    suppress_keyboard_interrupt=False,  # it would end the process without a word
)
app.command("factory.commands.agreement:app", name="agreement", help="Compare two judges on the same answers.")
app.command("factory.commands.build:app", name="build", help="Build a version of a dataset.")
app.command("factory.commands.judge:app", name="judge", help="Run a judge or a verifier on rows.")
app.command("factory.commands.datasets:app", name="datasets", help="Look at datasets, check, tag, export, clean.")
app.command("factory.commands.decontaminate:app", name="decontaminate", help="Drop rows that evaluation sets hold.")
app.command("factory.commands.dedupe:app", name="dedupe", help="Drop rows that are equal or similar to others.")
app.command("factory.commands.probe:app", name="probe", help="Search what a model writes in evaluation sets.")
app.command("factory.commands.doctor:app", name="doctor", help="Look at this machine, and at what it lacks.")
app.command("factory.commands.filter:app", name="filter", help="Drop rows by what they say, or by their licence.")
app.command("factory.commands.jobs:app", name="jobs", help="Builds and trainings in the background.")
app.command("factory.commands.mix:app", name="mix", help="Mix versions in stated shares.")
app.command("factory.commands.people:app", name="people", help="Pairs that people label, and who decides.")
app.command("factory.commands.schedule:app", name="schedule", help="Builds at the times of a cron expression.")
app.command("factory.commands.serve:app", name="serve", help="Jobs, schedules and the page.")
app.command("factory.commands.terms:app", name="terms", help="Say which licences and terms a version comes with.")
app.command("factory.commands.view:app", name="view", help="Look at one dataset in a browser, or as a folder.")


def main(argv: list[str] | None = None) -> int:
    try:
        result = app(argv, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as err:
        return _say(str(err), USAGE)
    except KeyboardInterrupt:
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:
        return FAILED
    except Exception as err:
        code = _exit_code(err)
        if code is None:
            raise  # a bug of ours: the traceback is what is needed
        return _say(str(err), code)
    return result if isinstance(result, int) else DONE


def _exit_code(err: Exception) -> int | None:
    """The exit code of an error that a person can act on; None for any other."""
    from factory.budget import BudgetStop
    from factory.build import TooManyFailures
    from factory.evals import TooContaminated
    from factory.fold import NothingMade
    from factory.run import Interrupted, UnitsLeft
    from factory.sampling.errors import SamplingError
    from schemas.errors import ConflictError, CorruptError, DataError, WriteError
    from schemas.recipes import RecipeError

    if isinstance(err, Interrupted):
        return TERMINATED if err.received is signal.SIGTERM else INTERRUPTED
    codes: dict[type[Exception], int] = {
        RecipeError: USAGE,
        BudgetStop: BUDGET,
        TooManyFailures: TOO_MANY_FAILURES,
        NothingMade: TOO_MANY_FAILURES,
        TooContaminated: TOO_MANY_FAILURES,
        UnitsLeft: DONE,
        ConflictError: CONFLICT,
        CorruptError: FAILED,
        WriteError: FAILED,
        DataError: USAGE,
        SamplingError: FAILED,
        OSError: FAILED,
    }
    return next((code for kind, code in codes.items() if isinstance(err, kind)), None)


def _say(message: str, code: int) -> int:
    label = "" if code in (DONE, TERMINATED, INTERRUPTED) else "error: "
    print(f"{label}{message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
