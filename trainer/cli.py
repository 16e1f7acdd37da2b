"""The `trainer` command. It parses, hands on, and turns errors into one line and an exit code.

0 done                        1 failed                 2 wrong usage, recipe, model or data
5 another process is at it    75 stopped by SIGTERM    130 stopped by Ctrl-C (after both the same command goes on)
"""

from __future__ import annotations

import sys
from importlib.metadata import version

from cyclopts import App, CycloptsError

DONE, FAILED, USAGE, CONFLICT, INTERRUPTED = 0, 1, 2, 5, 130

app = App(
    name="trainer",
    help="Train language models on dataset versions: SFT, DPO, reward models, RLVR.",
    version=lambda: version("synthetic-data-factory"),
    suppress_keyboard_interrupt=False,  # it would end the process without a word
)

for _kind in ("sft", "dpo", "reward", "rlvr"):
    app.command(f"trainer.commands.train:{_kind}", name=_kind)
app.command("trainer.commands.plan:app", name="plan", help="What a training would take, before anything is launched.")
app.command("trainer.commands.inspect:app", name="inspect", help="Rows as the model will see them, checked.")
app.command("trainer.commands.evaluate:app", name="eval", help="Accuracy strict and flex, pass@k, KL to a reference.")
app.command("trainer.commands.plot:app", name="plot", help="Draw what runs measured.")
app.command("trainer.commands.merge:app", name="merge", help="The mean of several checkpoints of one model.")
app.command("trainer.commands.compare:app", name="compare", help="Compare runs over several seeds.")
app.command("trainer.commands.report:app", name="report", help="One HTML page about stages of training.")


def main(argv: list[str] | None = None) -> int:
    try:
        words = _without_local_rank(sys.argv[1:] if argv is None else argv)
        result = app(words, exit_on_error=False, print_error=False, result_action="return_value")
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


def _without_local_rank(words: list[str]) -> list[str]:
    """DeepSpeed's launcher puts one before the command. LOCAL_RANK says the same."""
    return words[1:] if words and words[0].startswith("--local_rank=") else words


def _exit_code(err: Exception) -> int | None:
    """The exit code of an error that a person can act on; None for any other."""
    from factory.sampling.errors import SamplingError
    from schemas.errors import ConflictError, CorruptError, DataError, WriteError
    from schemas.recipes import RecipeError
    from trainer.errors import TrainError

    codes: dict[type[Exception], int] = {
        TrainError: USAGE,
        RecipeError: USAGE,
        ConflictError: CONFLICT,
        CorruptError: FAILED,
        WriteError: FAILED,
        DataError: USAGE,
        SamplingError: FAILED,
        OSError: FAILED,
    }
    return next((code for kind, code in codes.items() if isinstance(err, kind)), None)


def _say(message: str, code: int) -> int:
    label = "" if code == INTERRUPTED else "error: "
    print(f"{label}{message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
